// node-oidc-provider, a certified authorization server, over TLS on a loopback
// port: client_credentials, JWT access tokens or opaque ones, and introspection.
// Its keys and tokens live in memory, so each start has new ones.
//
//   node issuer.mjs
//
// It reads one line of JSON, says "ready" once it listens, and ends when its
// standard input does:
//
//   {"port": 8443, "certificate": PEM, "key": PEM, "kid": "a", "lifetime": 10,
//    "resource": URI, "clients": [{"id": "caller", "secret": "…", "opaque": false}]}
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

import { Provider } from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.once('line', (line) => start(JSON.parse(line)));

function start(config) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const opaque = new Map(config.clients.map((c) => [c.id, c.opaque]));
  const provider = new Provider(`https://127.0.0.1:${config.port}`, {
    clients: config.clients.map((c) => ({
      client_id: c.id,
      client_secret: c.secret,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    })),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: config.kid, alg: 'ES256', use: 'sig' }] },
    scopes: [],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource, client) => ({
          scope: '',
          audience: resource,
          accessTokenTTL: config.lifetime,
          accessTokenFormat: opaque.get(client.clientId) ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  createServer({ cert: config.certificate, key: config.key }, provider.callback())
    .listen(config.port, '127.0.0.1', () => console.log('ready'));
}
