// Loads a .proto file as services in Node do, and prints how many definitions it
// has.
//
//   node load.js FILE PROTO_FOLDER...
'use strict';

const loader = require('@grpc/proto-loader');

const [file, ...includeDirs] = process.argv.slice(2);
console.log(Object.keys(loader.loadSync(file, { includeDirs })).length);
