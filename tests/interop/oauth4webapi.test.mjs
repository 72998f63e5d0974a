// oauth4webapi, a strict client: it refuses what the standards do not allow an authorization server
// to answer. Also as a resource server, which judges our tokens by itself (RFC 9068, RFC 9449).
import {
  ACCESS_TOKEN, DESK, EXCHANGE, GIT, ID_TOKEN, JWT, Stint, details, grant, now, proof, resourceServer,
  sign, newKey, task,
} from './support.mjs';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeProtectedHeader, exportJWK } from 'jose';
import * as oauth from 'oauth4webapi';

const insecure = { [oauth.allowInsecureRequests]: true };
let stint, as;

// One instance of an agent: its registered key, and a DPoP key of its own.
async function instance(name, dpopAlg = 'ES256') {
  const key = stint.agents[name];
  const client = { client_id: name };
  const pair = await oauth.generateKeyPair(dpopAlg, { extractable: true });
  return {
    name, client, pair,
    auth: oauth.PrivateKeyJwt({ key: key.privateKey, kid: key.kid }),
    DPoP: oauth.DPoP(client, pair),
  };
}

// Sends; a second time when the server asks for a nonce, which the DPoP handle has then kept.
async function withNonce(send, process) {
  try {
    return await process(await send());
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return process(await send());
  }
}

const credentials = (who, more = {}) => withNonce(
  () => oauth.clientCredentialsGrantRequest(as, who.client, who.auth,
    { authorization_details: details(), resource: stint.audience('git'), ...more },
    { DPoP: who.DPoP, ...insecure }),
  (response) => oauth.processClientCredentialsResponse(as, who.client, response));

const exchange = (who, subject, type, more = {}) => withNonce(
  () => oauth.genericTokenEndpointRequest(as, who.client, who.auth, EXCHANGE, {
    subject_token: subject, subject_token_type: type, authorization_details: details(),
    resource: stint.audience('git'), ...more,
  }, { DPoP: who.DPoP, ...insecure }),
  (response) => oauth.processGenericTokenEndpointResponse(as, who.client, response));

const refresh = (who, handle, more = {}) => withNonce(
  () => oauth.refreshTokenGrantRequest(as, who.client, who.auth, handle,
    { DPoP: who.DPoP, additionalParameters: more, ...insecure }),
  (response) => oauth.processRefreshTokenResponse(as, who.client, response));

const introspect = async (who, token, hint) => oauth.processIntrospectionResponse(as, who.client,
  await oauth.introspectionRequest(as, who.client, who.auth, token,
    { ...insecure, ...(hint && { additionalParameters: { token_type_hint: hint } }) }));

const revoke = async (who, token) => oauth.processRevocationResponse(
  await oauth.revocationRequest(as, who.client, who.auth, token, insecure));

const refused = (promise, error, status = 400) => assert.rejects(promise, (thrown) => {
  assert.equal(thrown.error, error, `${thrown}: ${thrown.error_description}`);
  assert.equal(thrown.status, status);
  assert.ok(thrown.error_description);
  return true;
});

before(async () => {
  stint = await Stint.start();
  const issuer = new URL(stint.issuer);
  as = await oauth.processDiscoveryResponse(issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }));
});
after(() => stint?.stop());

describe('discovery', () => {
  test('RFC 8414', () => {
    assert.equal(as.issuer, stint.issuer);
    assert.equal(as.token_endpoint, `${stint.issuer}/oauth/token`);
    assert.equal(as.jwks_uri, `${stint.issuer}/oauth/jwks`);
    assert.equal(as.introspection_endpoint, `${stint.issuer}/oauth/introspect`);
    assert.equal(as.revocation_endpoint, `${stint.issuer}/oauth/revoke`);
    assert.deepEqual([...as.grant_types_supported].sort(),
      ['client_credentials', 'refresh_token', EXCHANGE].sort());
    assert.ok(as.response_types_supported.length > 0);
    for (const endpoint of ['token', 'introspection', 'revocation']) {
      assert.deepEqual(as[`${endpoint}_endpoint_auth_methods_supported`], ['private_key_jwt']);
      const algs = as[`${endpoint}_endpoint_auth_signing_alg_values_supported`];
      for (const alg of ['ES256', 'RS256', 'EdDSA', 'Ed25519']) assert.ok(algs.includes(alg), alg);
      assert.ok(!algs.includes('none') && !algs.some((alg) => alg.startsWith('HS')));
    }
    assert.ok(as.dpop_signing_alg_values_supported.includes('ES256'));
    assert.deepEqual(as.authorization_details_types_supported, ['stint_task', 'stint_grant']);
    assert.equal(as.tls_client_certificate_bound_access_tokens, true);
    // RFC 8414 section 2: what is empty is left out.
    for (const [name, value] of Object.entries(as))
      if (Array.isArray(value)) assert.ok(value.length > 0, name);
  });

  test('OpenID Connect Discovery', async () => {
    const issuer = new URL(stint.issuer);
    const oidc = await oauth.processDiscoveryResponse(issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...insecure }));
    assert.equal(oidc.issuer, stint.issuer);
    assert.equal(oidc.jwks_uri, as.jwks_uri);
    assert.equal(oidc.token_endpoint, as.token_endpoint);
    assert.deepEqual(oidc.subject_types_supported, ['public']);
    assert.ok(oidc.id_token_signing_alg_values_supported.includes('RS256'));
    assert.ok(oidc.response_types_supported.length > 0);
  });
});

describe('opening a task', () => {
  test('by client credentials', async () => {
    const coder = await instance('coder');
    const reply = await credentials(coder);
    assert.equal(reply.token_type, 'dpop');
    assert.ok(reply.expires_in > 0 && reply.expires_in <= 300);
    assert.match(reply.refresh_token, /^stint_handle_[0-9A-Za-z]{38}$/);
    assert.equal(reply.scope, undefined);
    const [granted, git] = reply.authorization_details;
    assert.equal(granted.type, 'stint_task');
    assert.equal(granted.reference, 'T-1');
    assert.equal(git.type, 'stint_grant');
    assert.deepEqual(git.actions, ['git.fetch', 'git.push']);
  });

  test('the nonce is asked for once and kept', async () => {
    const coder = await instance('coder');
    let asked = 0, sent = 0;
    const options = { DPoP: coder.DPoP, ...insecure, [oauth.customFetch]: async (...request) => {
      ++sent;
      const response = await fetch(...request);
      assert.ok(response.headers.get('dpop-nonce'));
      if (response.status === 400) ++asked;
      return response;
    } };
    const parameters = { authorization_details: details(), resource: stint.audience('git') };
    const send = () => withNonce(
      () => oauth.clientCredentialsGrantRequest(as, coder.client, coder.auth, parameters, options),
      (response) => oauth.processClientCredentialsResponse(as, coder.client, response));
    await send();
    assert.deepEqual([asked, sent], [1, 2]);
    await send();
    assert.deepEqual([asked, sent], [1, 3]);
  });

  test('by exchange of a human\'s ID token', async () => {
    const helper = await instance('helper');
    const reply = await exchange(helper, await stint.idToken(), ID_TOKEN);
    assert.equal(reply.token_type, 'dpop');
    assert.equal(reply.issued_token_type, ACCESS_TOKEN);
    assert.ok(reply.refresh_token);
  });

  test('with the assertion also as actor_token', async () => {
    const helper = await instance('helper');
    const reply = await exchange(helper, await stint.idToken(), ID_TOKEN, {
      actor_token: await stint.assertion('helper'),
      actor_token_type: JWT,
    });
    assert.equal(reply.issued_token_type, ACCESS_TOKEN);
  });

  test('by delegation from the parent\'s token', async () => {
    const helper = await instance('helper'), coder = await instance('coder');
    const parent = await exchange(helper, await stint.idToken(), ID_TOKEN);
    const actor = async () => stint.actor('coder', await exportJWK(coder.pair.publicKey));
    const delegate = async (more = {}) =>
      exchange(helper, parent.access_token, ACCESS_TOKEN, { ...await actor(), ...more });
    const child = await delegate({
      authorization_details: details(task({ purpose: 'read it first', ttl: 300 }),
        grant('git', ['git.fetch'], ['demo/readme.git'])),
    });
    assert.equal(child.issued_token_type, ACCESS_TOKEN);
    assert.equal(child.authorization_details[0].parent, parent.authorization_details[0].id);
    assert.notEqual(child.refresh_token, parent.refresh_token);

    // RFC 8693: never more than the subject token's.
    await refused(delegate({
      authorization_details: details(task(), grant('git', ['git.ref.delete'], ['demo/readme.git'])),
    }), 'invalid_authorization_details');
    // Only the parent gives away, and only the child uses what it gave: by their keys.
    await refused(exchange(coder, parent.access_token, ACCESS_TOKEN, await actor()),
      'invalid_request');
    await refused(refresh(helper, child.refresh_token), 'invalid_grant');
    assert.equal((await refresh(coder, child.refresh_token)).token_type, 'dpop');
    // The parent ends, and its child with it.
    await revoke(helper, parent.refresh_token);
    assert.deepEqual(await introspect(coder, child.access_token), { active: false });
    await refused(refresh(coder, child.refresh_token), 'invalid_grant');
    await refused(delegate(), 'invalid_request');
  });

  test('a policy that does not permit it', async () => {
    await refused(credentials(await instance('helper')), 'access_denied');
  });

  test('what is asked for is refused by name', async () => {
    const coder = await instance('coder');
    const wanted = (...objects) => ({ authorization_details: details(...objects) });
    await refused(credentials(coder, wanted(task(), GIT, { type: 'payment' })),
      'invalid_authorization_details');
    await refused(credentials(coder, wanted(task({ colour: 'blue' }), GIT)),
      'invalid_authorization_details');
    await refused(credentials(coder, wanted(task(), GIT, grant('nowhere', ['x']))),
      'invalid_authorization_details');
    await refused(credentials(coder, { resource: 'https://elsewhere.example/' }), 'invalid_target');
    await refused(credentials(coder, { resource: `${stint.audience('git')}#x` }), 'invalid_target');
    await refused(credentials(coder, { resource: stint.audience('desk') }), 'invalid_target');
    await refused(credentials(coder, { scope: 'everything' }), 'invalid_scope');
  });

  test('ID tokens that are not for us', async () => {
    const helper = await instance('helper');
    const stranger = await newKey('ES256', 'login-test');
    const bad = [
      await stint.idToken({ aud: 'somebody-else' }),
      await stint.idToken({ exp: now() - 120, iat: now() - 400 }),
      await stint.idToken({ iat: now() - 3600 }),
      await stint.idToken({ sub: 'mallory' }),
      await stint.idToken({ iss: 'https://other.example' }),
      await sign(stranger, { typ: 'JWT', kid: stranger.kid }, {
        iss: 'https://login.example', sub: 'alice-4711', aud: 'stint', iat: now(), exp: now() + 60,
      }),
    ];
    for (const token of bad) await refused(exchange(helper, token, ID_TOKEN), 'invalid_request');
    // A token of ours is no ID token, and an ID token is no token of ours.
    const { access_token } = await exchange(helper, await stint.idToken(), ID_TOKEN);
    await refused(exchange(helper, access_token, ID_TOKEN), 'invalid_request');
    await refused(exchange(helper, await stint.idToken(), ACCESS_TOKEN), 'invalid_request');
  });
});

describe('the handle', () => {
  test('renews, for any granted audience, and narrows', async () => {
    const coder = await instance('coder');
    const opened = await credentials(coder, { authorization_details: details(task(), GIT, DESK) });
    const renewed = await refresh(coder, opened.refresh_token,
      { resource: stint.audience('desk') });
    assert.equal(renewed.token_type, 'dpop');
    assert.notEqual(renewed.access_token, opened.access_token);
    assert.equal(renewed.authorization_details[0].id, opened.authorization_details[0].id);

    const narrow = grant('git', ['git.fetch'], ['demo/readme.git']);
    const narrowed = await refresh(coder, opened.refresh_token, {
      resource: stint.audience('git'), authorization_details: JSON.stringify([narrow]),
    });
    assert.deepEqual(narrowed.authorization_details[1].actions, ['git.fetch']);
    await refused(refresh(coder, opened.refresh_token, {
      resource: stint.audience('git'),
      authorization_details: JSON.stringify([grant('git', ['git.ref.delete'])]),
    }), 'invalid_authorization_details');
  });

  test('is of no use with another key or to another client', async () => {
    const coder = await instance('coder');
    const opened = await credentials(coder);
    await refused(refresh(await instance('coder'), opened.refresh_token), 'invalid_grant');
    await refused(refresh(await instance('helper'), opened.refresh_token), 'invalid_grant');
    await refused(refresh(coder, opened.access_token), 'invalid_grant');
    await refresh(coder, opened.refresh_token);
  });

  test('ends the task when revoked', async () => {
    const coder = await instance('coder'), helper = await instance('helper');
    const opened = await credentials(coder);
    assert.equal((await introspect(coder, opened.access_token)).active, true);
    await revoke(helper, opened.refresh_token);  // RFC 7009: 200, and nothing happens
    assert.equal((await introspect(coder, opened.access_token)).active, true);
    await revoke(coder, opened.refresh_token);
    assert.deepEqual(await introspect(coder, opened.access_token), { active: false });
    await refused(refresh(coder, opened.refresh_token), 'invalid_grant');
    await revoke(coder, opened.refresh_token);
    await revoke(coder, 'no such token');
  });
});

describe('revocation and introspection', () => {
  test('one token is revoked, its task goes on', async () => {
    const coder = await instance('coder');
    const opened = await credentials(coder);
    const other = await refresh(coder, opened.refresh_token);
    await revoke(coder, opened.access_token);
    assert.deepEqual(await introspect(coder, opened.access_token), { active: false });
    assert.equal((await introspect(coder, other.access_token)).active, true);
  });

  test('says what the token says', async () => {
    const coder = await instance('coder');
    const opened = await credentials(coder);
    const about = await introspect(coder, opened.access_token, 'no_such_hint');
    assert.equal(about.active, true);
    assert.equal(about.iss, stint.issuer);
    assert.equal(about.sub, 'agent:coder');
    assert.equal(about.client_id, 'coder');
    assert.equal(about.aud, stint.audience('git'));
    assert.equal(about.token_type, 'DPoP');
    assert.equal(about.cnf.jkt, await coder.DPoP.calculateThumbprint());
    assert.equal(about.task.id, opened.authorization_details[0].id);
    assert.deepEqual(about.authorization_details, [opened.authorization_details[1]]);
    assert.ok(about.exp > now() && about.iat <= now());
  });

  test('a handle never reads as an access token', async () => {
    const coder = await instance('coder');
    const { refresh_token: handle } = await credentials(coder);
    assert.deepEqual(await introspect(coder, handle), { active: false });
    assert.deepEqual(await introspect(coder, handle, 'access_token'), { active: false });
    assert.equal((await introspect(coder, handle, 'refresh_token')).active, true);
  });

  test('what is foreign or unknown is not active, and nothing else is said', async () => {
    const coder = await instance('coder'), helper = await instance('helper');
    const { access_token } = await credentials(coder);
    for (const token of [access_token.slice(0, -2) + 'xx', 'x', await stint.idToken()])
      assert.deepEqual(await introspect(coder, token), { active: false });
    assert.deepEqual(await introspect(helper, access_token), { active: false });
  });

  test('needs authentication', async () => {
    const stranger = oauth.PrivateKeyJwt(
      { key: (await newKey('ES256', 'coder-test')).privateKey, kid: 'coder-test' });
    for (const endpoint of [oauth.introspectionRequest, oauth.revocationRequest]) {
      const response = await endpoint(as, { client_id: 'coder' }, stranger, 'x', insecure);
      assert.equal(response.status, 401);
      assert.equal((await response.json()).error, 'invalid_client');
      assert.equal(response.headers.get('cache-control'), 'no-store');
    }
  });
});

describe('client authentication and proofs', () => {
  test('secrets are not taken', async () => {
    const { DPoP } = await instance('coder');
    for (const [auth, status] of [[oauth.ClientSecretPost('x'), 401], [oauth.None(), 401]]) {
      await refused(withNonce(
        () => oauth.clientCredentialsGrantRequest(as, { client_id: 'coder' }, auth,
          { authorization_details: details() }, { DPoP, ...insecure }),
        (r) => oauth.processClientCredentialsResponse(as, { client_id: 'coder' }, r)),
      'invalid_client', status);
    }
    // With a header, the challenge comes with it, which the library sees first (RFC 6749 5.2).
    const response = await oauth.clientCredentialsGrantRequest(as, { client_id: 'coder' },
      oauth.ClientSecretBasic('x'), { authorization_details: details() }, { DPoP, ...insecure });
    assert.equal(response.status, 401);
    assert.match(response.headers.get('www-authenticate'), /^Basic realm=/);
  });

  test('an HMAC under the public key is no signature', async () => {
    const { DPoP } = await instance('coder');
    const publicText = JSON.stringify(stint.agents.coder.jwk);
    await refused(withNonce(
      () => oauth.clientCredentialsGrantRequest(as, { client_id: 'coder' },
        oauth.ClientSecretJwt(publicText), { authorization_details: details() },
        { DPoP, ...insecure }),
      (r) => oauth.processClientCredentialsResponse(as, { client_id: 'coder' }, r)),
    'invalid_client', 401);
  });

  test('another agent\'s key does not speak for this one', async () => {
    const who = await instance('coder');
    const { privateKey } = stint.agents.helper;
    for (const kid of ['coder-test', 'helper-test'])
      await refused(credentials({ ...who, auth: oauth.PrivateKeyJwt({ key: privateKey, kid }) }),
        'invalid_client', 401);
  });

  test('without a proof nothing is issued', async () => {
    const who = await instance('coder');
    await refused(credentials({ ...who, DPoP: undefined }), 'invalid_request');
  });

  for (const alg of ['ES256', 'RS256', 'PS256', 'Ed25519'])
    test(`a DPoP key of ${alg}`, async () => {
      const who = await instance('coder', alg);
      const reply = await credentials(who);
      assert.equal(reply.token_type, 'dpop');
      await refresh(who, reply.refresh_token);
    });
});

describe('a resource server that checks our tokens by itself', () => {
  let server, expected, options;
  before(async () => {
    server = await resourceServer((request) =>
      oauth.validateJwtAccessToken(as, request, expected, { ...insecure, ...options }));
  });
  after(() => server?.close());
  const call = async (token, DPoP) => (await oauth.protectedResourceRequest(token, 'GET',
    new URL(server.url), undefined, undefined, { DPoP, ...insecure })).json();
  const raw = async (headers, method = 'GET') =>
    (await fetch(server.url, { method, headers })).json();

  test('takes one that is for it, with a proof', async () => {
    const coder = await instance('coder');
    const { access_token } = await credentials(coder);
    expected = stint.audience('git');
    for (options of [{ requireDPoP: true }, {}, { signingAlgorithms: ['ES256'] }]) {
      const { claims, ...no } = await call(access_token, coder.DPoP);
      assert.ok(claims, JSON.stringify(no));
      assert.equal(claims.sub, 'agent:coder');
    }
  });

  test('refuses it for another audience', async () => {
    const coder = await instance('coder');
    const { access_token } = await credentials(coder);
    expected = stint.audience('desk');
    options = {};
    assert.equal((await call(access_token, coder.DPoP)).claim, 'aud');
  });

  test('refuses it as Bearer, without a proof, with another key\'s', async () => {
    const coder = await instance('coder'), thief = await instance('coder');
    const { access_token } = await credentials(coder);
    expected = stint.audience('git');
    options = {};
    const noProof = /has no DPoP HTTP Header$/;
    assert.match((await call(access_token)).message, noProof);
    assert.match((await raw({ authorization: `DPoP ${access_token}` })).message, noProof);
    assert.match((await raw({
      authorization: `Bearer ${access_token}`, dpop: await proof(await newKey('ES256', 'x'), 'GET', server.url),
    })).message, /scheme is not DPoP$/);
    assert.equal((await call(access_token, thief.DPoP)).claim, 'cnf.jkt');
    const key = await newKey('ES256', 'x');
    assert.equal((await raw({
      authorization: `DPoP ${access_token}`, dpop: await proof(key, 'POST', server.url, { ath: 'x' }),
    })).claim, 'htm');
  });

  test('refuses what is no access token', async () => {
    const coder = await instance('coder');
    const { refresh_token } = await credentials(coder);
    expected = stint.audience('git');
    options = {};
    for (const token of [refresh_token, await stint.idToken(), await stint.assertion('coder')])
      assert.ok((await call(token, coder.DPoP)).refused);
  });

  test('takes RS256 and EdDSA too', async () => {
    for (const alg of ['RS256', 'EdDSA']) {
      await stint.down();
      await stint.up({ alg });
      const coder = await instance('coder');
      const { access_token } = await credentials(coder);
      expected = stint.audience('git');
      options = { signingAlgorithms: [alg, 'ES256'], requireDPoP: true };  // the proof's too
      assert.equal(decodeProtectedHeader(access_token).alg, alg);
      const { claims, ...no } = await call(access_token, coder.DPoP);
      assert.ok(claims, `${alg}: ${JSON.stringify(no)}`);
    }
  });
});

// Ours: the agents' own API takes tokens whose audience is the issuer (RFC 9449 sections 7, 9).
describe('Stint as the resource server', () => {
  const ask = (token, url, DPoP) =>
    oauth.protectedResourceRequest(token, 'GET', new URL(url), undefined, undefined,
      { DPoP, ...insecure });
  async function own(who) {
    const opened = await credentials(who);
    const { access_token } = await refresh(who, opened.refresh_token, { resource: stint.issuer });
    return { opened, access_token,
      url: `${stint.issuer}/v1/tasks/${opened.authorization_details[0].id}` };
  }
  async function challenged(promise, status, error, more = {}) {
    const thrown = await promise.then(
      (response) => assert.fail(`${response.status}`), (failure) => failure);
    assert.ok(thrown instanceof oauth.WWWAuthenticateChallengeError, String(thrown));
    assert.equal(thrown.status, status);
    const challenge = thrown.cause.find(({ scheme }) => scheme === 'dpop');
    assert.ok(challenge, JSON.stringify(thrown.cause));
    assert.equal(challenge.parameters.error, error);
    assert.ok(challenge.parameters.algs.split(' ').includes('ES256'));
    assert.ok(thrown.response.headers.get('dpop-nonce'));
    assert.equal(thrown.response.headers.get('content-type'), 'application/problem+json');
    for (const [name, value] of Object.entries(more)) assert.equal(challenge.parameters[name], value);
  }
  const withNonceOf = async (who, send) => {
    try {
      return await send();
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return send();
    }
  };

  test('asks for its nonce, then answers about the agent\'s own task', async () => {
    const coder = await instance('coder');
    const { access_token, url, opened } = await own(coder);
    const fresh = { ...coder, DPoP: oauth.DPoP(coder.client, coder.pair) };  // knows no nonce yet
    await challenged(ask(access_token, url, fresh.DPoP), 401, 'use_dpop_nonce');
    const response = await ask(access_token, url, fresh.DPoP);
    assert.equal(response.status, 200);
    assert.equal((await response.json()).id, opened.authorization_details[0].id);
  });

  test('refuses a token as Bearer, of another key, for another audience, of a dead task', async () => {
    const coder = await instance('coder'), thief = await instance('coder');
    const { access_token, url, opened } = await own(coder);
    await challenged(ask(access_token, url), 401, 'invalid_token');
    await challenged(withNonceOf(thief, () => ask(access_token, url, thief.DPoP)),
      401, 'invalid_token');
    await challenged(withNonceOf(coder, () => ask(opened.access_token, url, coder.DPoP)),
      401, 'invalid_token');
    await challenged(ask(opened.refresh_token, url, coder.DPoP), 401, 'invalid_token');
    assert.equal((await ask(access_token, url, coder.DPoP)).status, 200);
    await revoke(coder, opened.refresh_token);
    await challenged(ask(access_token, url, coder.DPoP), 401, 'invalid_token');
  });

  test('a gateway token is for its upstream alone', async () => {
    const coder = await instance('coder');
    const { access_token, opened } = await own(coder);
    const { access_token: desk } = await credentials(coder,
      { authorization_details: details(task(), DESK), resource: stint.audience('desk') });
    const url = `${stint.audience('desk')}/tickets/7`;
    for (const token of [access_token, opened.access_token])
      await challenged(withNonceOf(coder, () => ask(token, url, coder.DPoP)), 401, 'invalid_token');
    await challenged(ask(desk, url), 401, 'invalid_token');
    // The right one passes Stint, and finds nobody behind it.
    const response = await withNonceOf(coder, () => ask(desk, url, coder.DPoP));
    assert.equal(response.status, 503);
    const problem = await response.json();
    assert.equal(problem.type, 'urn:stint:problem:unavailable');
    assert.equal(problem.retryable, true);
  });
});
