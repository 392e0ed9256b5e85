// Calls every kind of method of the document service and prints one line of
// JSON for each call: what it was, the code, usher's reason, and what came back.
//
//   node client.js TARGET CA_FILE PROTO_FOLDER... < token
//
// The folders are those of the document service's .proto and of usher's.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [target, caFile, ...includeDirs] = process.argv.slice(2);
const token = fs.readFileSync(0, 'utf8').trim();

// The .proto itself, with the rules in it, as every service in Node loads it.
const definition = loader.loadSync('docs/v1/docs.proto', { includeDirs, keepCase: true });
const { DocumentService } = grpc.loadPackageDefinition(definition).docs.v1;

const tls = grpc.credentials.createSsl(fs.readFileSync(caFile));
// grpc-js calls this for each call, as gRPC's call credentials do everywhere.
const bearer = grpc.credentials.createFromMetadataGenerator((_, done) => {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', 'Bearer ' + token);
  done(null, metadata);
});
const withToken = new DocumentService(target, grpc.credentials.combineChannelCredentials(tls, bearer));
const withoutToken = new DocumentService(target, tls);

function report(call, err, got) {
  const metadata = err && err.metadata;
  console.log(JSON.stringify({
    call,
    code: err ? err.code : grpc.status.OK,
    details: metadata ? metadata.get('grpc-status-details-bin').map((b) => b.toString('base64')) : [],
    challenge: metadata ? metadata.get('www-authenticate') : [],
    got: got || [],
  }));
}

function unary(name, client, method, request) {
  return new Promise((resolve) => {
    client[method](request, (err, response) => {
      report(name, err, response ? [response] : []);
      resolve();
    });
  });
}

function serverStream(name, client, request) {
  return new Promise((resolve) => {
    const got = [];
    const stream = client.watchDocument(request);
    stream.on('data', (message) => got.push(message));
    let failure = null;
    stream.on('error', (err) => { failure = err; });
    stream.on('status', () => { report(name, failure, got); resolve(); });
  });
}

function clientStream(name, client, messages) {
  return new Promise((resolve) => {
    const stream = client.importDocuments((err, response) => {
      report(name, err, response ? [response] : []);
      resolve();
    });
    messages.forEach((m) => stream.write(m));
    stream.end();
  });
}

function bidiStream(name, client, messages) {
  return new Promise((resolve) => {
    const got = [];
    const stream = client.editDocument();
    stream.on('data', (message) => got.push(message));
    let failure = null;
    stream.on('error', (err) => { failure = err; });
    stream.on('status', () => { report(name, failure, got); resolve(); });
    messages.forEach((m) => stream.write(m));
    stream.end();
  });
}

(async () => {
  await unary('public', withoutToken, 'getServiceInfo', {});
  await unary('no token', withoutToken, 'getDocument', { document_id: 'onboarding' });
  await unary('unary granted', withToken, 'getDocument', { document_id: 'onboarding' });
  await unary('unary denied', withToken, 'getDocument', { document_id: 'salaries' });
  await serverStream('server stream granted', withToken, { document_id: 'onboarding', limit: 1 });
  await serverStream('server stream denied', withToken, { document_id: 'salaries', limit: 1 });
  await clientStream('client stream granted', withToken, [
    { folder_id: 'handbook', document_id: 'node-a' }, { folder_id: 'handbook', document_id: 'node-b' }]);
  await clientStream('client stream denied', withToken, [{ folder_id: 'payroll', document_id: 'node-c' }]);
  await bidiStream('bidi stream granted', withToken, [{ document_id: 'onboarding', append: ' Hi' }, { append: '!' }]);
  await bidiStream('bidi stream denied', withToken, [{ document_id: 'salaries', append: ' more' }]);
  withToken.close();
  withoutToken.close();
})();
