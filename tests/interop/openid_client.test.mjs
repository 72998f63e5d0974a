// openid-client: the client that applications use. It retries for a nonce by itself.
import {
  ACCESS_TOKEN, DESK, EXCHANGE, GIT, ID_TOKEN, Stint, details, grant, task,
} from './support.mjs';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK } from 'jose';
import * as client from 'openid-client';

let stint;
before(async () => { stint = await Stint.start(); });
after(() => stint?.stop());

async function discover(name, algorithm = 'oidc') {
  const { privateKey: key, kid } = stint.agents[name];
  return client.discovery(new URL(stint.issuer), name, undefined,
    client.PrivateKeyJwt({ key, kid }), { algorithm, execute: [client.allowInsecureRequests] });
}

async function instance(name) {
  const config = await discover(name);
  const pair = await client.randomDPoPKeyPair('ES256', { extractable: true });
  return { name, pair, config, options: { DPoP: client.getDPoPHandle(config, pair) } };
}

const credentials = ({ config, options }, more = {}) => client.clientCredentialsGrant(config,
  { authorization_details: details(), resource: stint.audience('git'), ...more }, options);
const exchange = ({ config, options }, token, type, more = {}) =>
  client.genericGrantRequest(config, EXCHANGE, {
    subject_token: token, subject_token_type: type, authorization_details: details(),
    resource: stint.audience('git'), ...more,
  }, options);

const delegate = async (parent, token, child, more = {}) =>
  exchange(parent, token, ACCESS_TOKEN,
    { ...await stint.actor(child.name, await exportJWK(child.pair.publicKey)), ...more });

const refused = (promise, error) => assert.rejects(promise, (thrown) => {
  assert.equal(thrown.error, error, `${thrown}: ${thrown.error_description}`);
  return true;
});

describe('openid-client', () => {
  test('discovers both documents', async () => {
    for (const algorithm of ['oidc', 'oauth2']) {
      const metadata = (await discover('coder', algorithm)).serverMetadata();
      assert.equal(metadata.issuer, stint.issuer);
      assert.equal(metadata.token_endpoint, `${stint.issuer}/oauth/token`);
      assert.ok(metadata.grant_types_supported.includes(EXCHANGE));
    }
    const url = new URL(`${stint.issuer}/.well-known/oauth-authorization-server`);
    const named = await client.discovery(url, 'coder', undefined, client.None(),
      { execute: [client.allowInsecureRequests] });
    assert.equal(named.serverMetadata().issuer, stint.issuer);
  });

  test('client credentials, refresh, introspection, revocation', async () => {
    const coder = await instance('coder');
    const opened = await credentials(coder);
    assert.equal(opened.token_type, 'dpop');
    assert.ok(opened.expiresIn() > 0);
    const renewed = await client.refreshTokenGrant(coder.config, opened.refresh_token,
      { resource: stint.audience('git') }, coder.options);
    assert.notEqual(renewed.access_token, opened.access_token);
    assert.equal((await client.tokenIntrospection(coder.config, renewed.access_token)).active, true);

    await client.tokenRevocation(coder.config, opened.refresh_token,
      { token_type_hint: 'refresh_token' });
    for (const token of [opened.access_token, renewed.access_token])
      assert.deepEqual({ ...await client.tokenIntrospection(coder.config, token) },
        { active: false });
    await refused(client.refreshTokenGrant(coder.config, opened.refresh_token, {}, coder.options),
      'invalid_grant');
  });

  test('the exchange of an ID token, then delegation', async () => {
    const helper = await instance('helper'), coder = await instance('coder');
    const parent = await exchange(helper, await stint.idToken(), ID_TOKEN,
      { authorization_details: details(task(), GIT, DESK) });
    assert.equal(parent.issued_token_type, ACCESS_TOKEN);
    const read = grant('git', ['git.fetch'], GIT.resources);
    const child = await delegate(helper, parent.access_token, coder,
      { authorization_details: details(task({ ttl: 60 }), read) });
    const about = await client.tokenIntrospection(coder.config, child.access_token);
    assert.equal(about.sub, 'alice');
    assert.deepEqual(about.act, { sub: 'agent:coder', act: { sub: 'agent:helper' } });
    assert.equal(about.task.parent, parent.authorization_details[0].id);

    // A token passes on what it carries: for the desk, one that is for the desk.
    const forDesk = () => ({
      authorization_details: details(task(), DESK), resource: stint.audience('desk'),
    });
    await refused(delegate(helper, parent.access_token, coder, forDesk()),
      'invalid_authorization_details');
    const desk = await client.refreshTokenGrant(helper.config, parent.refresh_token,
      { resource: stint.audience('desk') }, helper.options);
    const other = await delegate(helper, desk.access_token, coder, forDesk());
    assert.equal(other.authorization_details[0].parent, parent.authorization_details[0].id);
    await refused(delegate(helper, desk.access_token, coder,
      { ...forDesk(), authorization_details: details(task(), grant('desk', ['ticket.export'])) }),
    'invalid_authorization_details');

    // For several at once: a token for the issuer, which carries what is asked for by name.
    const several = JSON.stringify([read, DESK]);
    const carrying = await client.refreshTokenGrant(helper.config, parent.refresh_token,
      { resource: stint.issuer, authorization_details: several }, helper.options);
    const both = await delegate(helper, carrying.access_token, coder,
      { authorization_details: details(task(), read, DESK) });
    for (const upstream of ['git', 'desk'])
      await client.refreshTokenGrant(coder.config, both.refresh_token,
        { resource: stint.audience(upstream) }, coder.options);
  });

  test('refusals arrive as what they are', async () => {
    const helper = await instance('helper');
    await refused(credentials(helper), 'access_denied');
    await refused(client.genericGrantRequest(helper.config, 'password',
      { username: 'alice', password: 'x' }, helper.options), 'unsupported_grant_type');
    await refused(client.clientCredentialsGrant(helper.config,
      { authorization_details: details() }), 'invalid_request');  // no proof
    await refused(credentials(helper, { authorization_details: '{}' }),
      'invalid_authorization_details');
  });
});
