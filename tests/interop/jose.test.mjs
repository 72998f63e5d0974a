// jose, as somebody who only has our JWK Set: what our tokens are (3-interfaces, "Access token"),
// and what becomes of JWTs that it makes with hostile headers.
import {
  ACCESS_TOKEN, ASSERTION, DESK, EXCHANGE, GIT, ID_TOKEN, Stint, details, grant, newKey, now, proof,
  sign, task,
} from './support.mjs';
import assert from 'node:assert/strict';
import { createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import * as jose from 'jose';

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  .toString('base64url');

let stint, keys;
before(async () => {
  stint = await Stint.start({
    agents: { coder: 'ES256', helper: 'ES256', rsa: 'RS256', pss: 'PS256', eddsa: 'EdDSA' },
  });
  keys = jose.createRemoteJWKSet(new URL(`${stint.issuer}/oauth/jwks`));
});
after(() => stint?.stop());

// A good token request, whose assertion and proof are jose's; `spoil` changes its parts.
async function ask(name, form = {}, spoil = {}) {
  const url = `${stint.issuer}/oauth/token`;
  const key = spoil.dpopKey ?? await newKey('ES256', 'dpop-test');
  return stint.post('token', {
    grant_type: 'client_credentials',
    authorization_details: details(),
    client_assertion_type: ASSERTION,
    client_assertion: spoil.assertion ?? await stint.assertion(name),
    ...form,
  }, {
    dpop: spoil.proof ??
      await proof(key, 'POST', url, { nonce: await stint.nonce(), ...spoil.claims }, spoil.header),
  });
}

async function open(name, form, spoil) {
  const reply = await ask(name, form, spoil);
  assert.equal(reply.status, 200, reply.text);
  return reply.body;
}

async function refused(name, spoil, error, reason) {
  const { status, body, headers } = await ask(name, {}, spoil);
  assert.deepEqual([status, body.error, body.error_description.split(':')[0]],
    [error === 'invalid_client' ? 401 : 400, error, reason]);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(body.access_token, undefined);
}

const verify = (token, upstream, more = {}) => jose.jwtVerify(token, keys,
  { issuer: stint.issuer, audience: stint.audience(upstream), typ: 'at+jwt', ...more });

describe('the JWK Set', () => {
  test('is public, and each kid is the thumbprint', async () => {
    const response = await fetch(`${stint.issuer}/oauth/jwks`);
    assert.match(response.headers.get('content-type'), /^application\/(jwk-set\+)?json/);
    const set = await response.json();
    assert.deepEqual(Object.keys(set), ['keys']);
    assert.deepEqual(set.keys.map((key) => key.alg).sort(), ['ES256', 'EdDSA', 'RS256']);
    const members = {
      EC: ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      RSA: ['alg', 'e', 'kid', 'kty', 'n', 'use'],
      OKP: ['alg', 'crv', 'kid', 'kty', 'use', 'x'],
    };
    for (const key of set.keys) {
      assert.deepEqual(Object.keys(key).sort(), members[key.kty]);
      assert.equal(key.use, 'sig');
      assert.equal(key.kid, await jose.calculateJwkThumbprint(key));
      assert.equal((await jose.importJWK(key)).type, 'public');
    }
    const rsa = set.keys.find((key) => key.kty === 'RSA');
    assert.ok(Buffer.from(rsa.n, 'base64url').length >= 256);
  });
});

describe('our tokens', () => {
  test('for a human: exactly the claims of the interface', async () => {
    const dpopKey = await newKey('ES256', 'dpop-test');
    const signedIn = now() - 30;
    const reply = await open('helper', {
      grant_type: EXCHANGE, subject_token: await stint.idToken({ auth_time: signedIn }),
      subject_token_type: ID_TOKEN, authorization_details: details(task(), GIT, DESK),
      resource: stint.audience('git'),
    }, { dpopKey });
    const { payload, protectedHeader } = await verify(reply.access_token, 'git');
    assert.deepEqual(Object.keys(protectedHeader).sort(), ['alg', 'kid', 'typ']);
    assert.equal(protectedHeader.typ, 'at+jwt');
    assert.equal(protectedHeader.alg, 'ES256');
    assert.deepEqual(Object.keys(payload).sort(), ['acr', 'act', 'aud', 'auth_time',
      'authorization_details', 'client_id', 'cnf', 'exp', 'iat', 'iss', 'jti', 'status', 'sub', 'task']);
    assert.equal(payload.sub, 'alice');
    assert.equal(payload.client_id, 'helper');
    assert.deepEqual(payload.act, { sub: 'agent:helper' });
    assert.equal(payload.acr, 'urn:example:passkey');
    assert.equal(payload.auth_time, signedIn);
    assert.deepEqual(payload.cnf, { jkt: await jose.calculateJwkThumbprint(dpopKey.jwk) });
    assert.equal(payload.exp - payload.iat, reply.expires_in);
    assert.ok(payload.exp - payload.iat <= 300 && Math.abs(payload.iat - now()) <= 5);
    const { id, opened, deadline, ...rest } = payload.task;
    assert.deepEqual(rest, { reference: 'T-1' });
    assert.equal(id, reply.authorization_details[0].id);
    assert.equal(deadline - opened, 600);
    // Of the two grants, only the one for this audience.
    assert.deepEqual(payload.authorization_details, [GIT]);
  });

  test('for nobody: the agent itself, apart from all people', async () => {
    const { access_token } = await open('coder');
    const { payload } = await verify(access_token, 'git');
    assert.equal(payload.sub, 'agent:coder');
    assert.equal(payload.acr, undefined);
    assert.equal(payload.auth_time, undefined);
  });

  test('for a child: the actors nest, the current one outermost', async () => {
    const [top, middle, leaf] = await Promise.all(
      ['top', 'middle', 'leaf'].map((kid) => newKey('ES256', kid)));
    const parent = await open('helper', {
      grant_type: EXCHANGE, subject_token: await stint.idToken(), subject_token_type: ID_TOKEN,
    }, { dpopKey: top });
    const delegate = async (from, dpopKey, token, to, key, ttl) => open(from, {
      grant_type: EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN,
      ...await stint.actor(to, key.jwk),
      authorization_details: details(task({ ttl }), grant('git', ['git.fetch'],
        ['demo/readme.git'])),
    }, { dpopKey });
    const child = await delegate('helper', top, parent.access_token, 'coder', middle, 300);
    const grandchild = await delegate('coder', middle, child.access_token, 'rsa', leaf, 200);
    const { payload: one } = await verify(child.access_token, 'git');
    const { payload: two } = await verify(grandchild.access_token, 'git');
    assert.deepEqual(one.act, { sub: 'agent:coder', act: { sub: 'agent:helper' } });
    assert.deepEqual(two.act, { sub: 'agent:rsa', act: { sub: 'agent:coder', act: { sub: 'agent:helper' } } });
    assert.deepEqual([one.sub, two.sub], ['alice', 'alice']);
    assert.equal(one.task.parent, parent.authorization_details[0].id);
    assert.equal(two.task.parent, one.task.id);
    assert.ok(two.task.deadline <= one.task.deadline && two.exp <= two.task.deadline);
    assert.ok(two.exp <= one.exp);
    assert.deepEqual([one.cnf.jkt, two.cnf.jkt], await Promise.all(
      [middle, leaf].map(({ jwk }) => jose.calculateJwkThumbprint(jwk))));
    assert.deepEqual(two.authorization_details,
      [grant('git', ['git.fetch'], ['demo/readme.git'])]);
  });

  test('differ for each, and fail for another audience or issuer', async () => {
    const one = await open('coder'), two = await open('coder');
    const a = await verify(one.access_token, 'git'), b = await verify(two.access_token, 'git');
    assert.notEqual(a.payload.jti, b.payload.jti);
    assert.notEqual(a.payload.task.id, b.payload.task.id);
    await assert.rejects(verify(one.access_token, 'desk'), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
    await assert.rejects(verify(one.access_token, 'git', { issuer: 'http://elsewhere' }),
      { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
    const [head, body, signature] = one.access_token.split('.');
    const claims = { ...jose.decodeJwt(one.access_token), sub: 'root' };
    await assert.rejects(verify([head, b64(claims), signature].join('.'), 'git'),
      { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
    assert.ok(body);
  });

  test('a short task has short tokens', async () => {
    const { access_token, expires_in } = await open('coder',
      { authorization_details: details(task({ ttl: 20 }), GIT) });
    const { payload } = await verify(access_token, 'git');
    assert.ok(payload.exp <= payload.task.deadline && expires_in <= 20);
  });

  test('are signed as their upstream says, and the others as the service does', async () => {
    const reply = await open('coder', {
      authorization_details: details(task(), GIT, grant('reports', ['report.read'])),
      resource: stint.audience('reports'),
    });
    const { protectedHeader } = await verify(reply.access_token, 'reports');
    assert.equal(protectedHeader.alg, 'RS256');
    const other = await open('coder');
    assert.equal((await verify(other.access_token, 'git')).protectedHeader.alg, 'ES256');
  });

  for (const alg of ['RS256', 'EdDSA', 'ES256'])
    test(`are signed with ${alg} where that is chosen; those before stay good`, async () => {
      const before = await open('coder');
      await stint.down();
      await stint.up({ alg });
      const { protectedHeader } = await verify((await open('coder')).access_token, 'git');
      assert.equal(protectedHeader.alg, alg);
      await verify(before.access_token, 'git');
    });
});

describe('client assertions made by jose', () => {
  for (const [name, alg] of [['coder', 'ES256'], ['rsa', 'RS256'], ['pss', 'PS256'], ['eddsa', 'EdDSA']])
    test(`with a key of ${alg}`, async () => {
      const { access_token } = await open(name);
      assert.equal((await verify(access_token, 'git')).payload.client_id, name);
    });

  test('under the name that RFC 9864 gives to EdDSA with Ed25519', async () => {
    await open('eddsa', {}, { assertion: await stint.assertion('eddsa', {}, { alg: 'Ed25519' }) });
  });

  test('typ absent, JWT, client-authentication+jwt', async () => {
    for (const typ of [undefined, 'JWT', 'jwt', 'client-authentication+jwt'])
      await open('coder', {}, { assertion: await stint.assertion('coder', {}, typ ? { typ } : {}) });
  });

  test('headers that must not be believed', async () => {
    const thief = await newKey('ES256', 'coder-test');
    const claims = () => ({ iss: 'coder', sub: 'coder', aud: stint.issuer, iat: now(),
      exp: now() + 60, jti: randomUUID() });
    const forged = (header, key = thief) => sign(key, { kid: 'coder-test', ...header }, claims());
    const failed = 'client authentication failed';
    const rows = [
      [await forged({}), failed],
      [await forged({ kid: 'somebody-else' }), failed],
      [await forged({ jwk: thief.jwk }), failed],
      [await forged({ jku: 'http://127.0.0.1:9/jwks' }), 'jws header brings keys'],
      [await forged({ x5u: 'http://127.0.0.1:9/x5u' }), 'jws header brings keys'],
      [await stint.assertion('coder', {}, { typ: 'at+jwt' }), 'assertion typ'],
      [await stint.assertion('coder', {}, { typ: 'dpop+jwt' }), 'assertion typ'],
      [await sign(stint.agents.helper, { kid: 'helper-test' }, claims()), failed],
    ];
    for (const [assertion, reason] of rows) {
      const { status, body } = await ask('coder', {}, { assertion });
      assert.deepEqual([status, body.error], [401, 'invalid_client'], reason);
      if (reason === failed) assert.equal(body.error_description.split(':')[0], reason);
    }
  });

  test('no signature, or one that everybody can make', async () => {
    const claims = { iss: 'coder', sub: 'coder', aud: stint.issuer, iat: now(), exp: now() + 60,
      jti: randomUUID() };
    const { jwk } = stint.agents.coder;
    const hmac = (header, secret) => {
      const input = `${b64(header)}.${b64(claims)}`;
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    };
    const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    const header = { alg: 'HS256', kid: jwk.kid };
    const good = await stint.assertion('coder');
    const [head, body, signature] = good.split('.');
    const rows = [
      new jose.UnsecuredJWT(claims).encode(),
      `${b64({ alg: 'None', kid: jwk.kid })}.${b64(claims)}.`,
      `${b64({ alg: 'ES256', kid: jwk.kid })}.${b64(claims)}.`,
      hmac(header, pem), hmac(header, JSON.stringify(jwk)),
      hmac({ alg: 'ES256', kid: jwk.kid }, pem),
      `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,  // CVE-2022-21449
      `${head}.${body}.${signature}=`,
      `${head}.${body}.${signature}.x`,
      `${b64({ ...header, alg: 'ES256', crit: ['exp'], exp: 1 })}.${body}.${signature}`,
      `${b64({ alg: 'ES256', kid: jwk.kid, b64: false, crit: ['b64'] })}.${body}.${signature}`,
      JSON.stringify({ payload: body, protected: head, signature }),
    ];
    for (const assertion of rows) {
      const { status, body: answer } = await ask('coder', {}, { assertion });
      assert.deepEqual([status, answer.error], [401, 'invalid_client'], assertion);
    }
    await open('coder', {}, { assertion: good });  // it was not spent by all that
  });
});

describe('access tokens made by jose', () => {
  test('are none of ours, whatever their headers say', async () => {
    const opened = await open('coder'), thief = await newKey('ES256', 'x');
    const { keys: published } = await (await fetch(`${stint.issuer}/oauth/jwks`)).json();
    const claims = jose.decodeJwt(opened.access_token);
    const { kid } = jose.decodeProtectedHeader(opened.access_token);
    const [head, body, signature] = opened.access_token.split('.');
    const hmac = (header, secret) => {
      const input = `${b64(header)}.${body}`;
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    };
    const key = createPublicKey({ key: published.find((k) => k.kid === kid), format: 'jwk' });
    const pem = key.export({ type: 'spki', format: 'pem' });
    const forged = (header) => sign(thief, { typ: 'at+jwt', kid, ...header }, claims);
    const rows = [
      await forged({}), await forged({ kid: undefined }), await forged({ jwk: thief.jwk }),
      await forged({ jku: 'http://127.0.0.1:9/jwks' }), await forged({ typ: 'JWT' }),
      new jose.UnsecuredJWT(claims).encode(),
      `${b64({ typ: 'at+jwt', alg: 'none', kid })}.${body}.`,
      hmac({ typ: 'at+jwt', alg: 'HS256', kid }, pem),
      `${b64({ typ: 'JWT', alg: 'ES256', kid })}.${body}.${signature}`,
      `${head}.${b64({ ...claims, sub: 'alice' })}.${signature}`,
      `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
      `${opened.access_token}.`, `${opened.access_token} `,
      await stint.idToken(), await stint.assertion('coder'),
    ];
    const form = async (token) => ({
      client_assertion_type: ASSERTION, client_assertion: await stint.assertion('coder'), token,
    });
    for (const token of rows) {
      const about = await stint.post('introspect', await form(token));
      assert.deepEqual([about.status, about.body], [200, { active: false }], token);
      const reply = await ask('coder', {
        grant_type: EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN,
      });
      assert.deepEqual([reply.status, reply.body.error], [400, 'invalid_request'], token);
    }
    const about = await stint.post('introspect', await form(opened.access_token));
    assert.equal(about.body.active, true);
  });
});

describe('proofs made by jose', () => {
  for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA'])
    test(`with a key of ${alg}`, async () => {
      const dpopKey = await newKey(alg, 'dpop-test');
      const { access_token } = await open('coder', {}, { dpopKey });
      assert.equal((await verify(access_token, 'git')).payload.cnf.jkt,
        await jose.calculateJwkThumbprint(dpopKey.jwk));
    });

  test('hostile headers and claims', async () => {
    const bad = 'invalid_dpop_proof';
    const dpopKey = await newKey('ES256', 'dpop-test'), other = await newKey('ES256', 'other-test');
    const { kid, alg, use, ...jwk } = other.jwk;
    const secret = await jose.exportJWK(dpopKey.privateKey);
    await refused('coder', { dpopKey, header: { typ: 'JWT' } }, bad, 'dpop typ');
    await refused('coder', { dpopKey, header: { jwk } }, bad, 'signature');
    await refused('coder', { dpopKey, header: { jwk: undefined } }, bad, 'dpop jwk');
    await refused('coder', { dpopKey, header: { jwk: secret } }, bad, 'jwk private member');
    await refused('coder', { dpopKey, header: { jwk: { kty: 'oct', k: 'AAAA' } } }, bad, 'jwk private member');
    await refused('coder', { dpopKey, claims: { htm: 'GET' } }, bad, 'dpop htm');
    await refused('coder', { dpopKey, claims: { htm: 'post' } }, bad, 'dpop htm');
    await refused('coder', { dpopKey, claims: { htu: `${stint.issuer}/oauth/revoke` } }, bad, 'dpop htu');
    await refused('coder', { dpopKey, claims: { iat: now() - 90 } }, bad, 'dpop iat too old');
    await refused('coder', { dpopKey, claims: { iat: now() + 60 } }, bad, 'dpop iat in the future');
    await refused('coder', { dpopKey, claims: { jti: undefined } }, bad, 'dpop jti');
    await refused('coder', { dpopKey, claims: { nonce: undefined } }, 'use_dpop_nonce', 'dpop nonce');
    await refused('coder', { dpopKey, claims: { nonce: 'made-up' } }, 'use_dpop_nonce', 'dpop nonce');
  });

  test('other spellings of the same URL', async () => {
    const { port } = new URL(stint.issuer);
    for (const htu of [`HTTP://127.0.0.1:${port}/oauth/token`, `${stint.issuer}/oauth/%74oken`,
      `${stint.issuer}/oauth/./token`, `${stint.issuer}/oauth/token?x=1#y`])
      await open('coder', {}, { claims: { htu } });
  });
});
