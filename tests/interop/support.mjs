// A `stint serve` of one's own, and the far side of it: agents and an identity provider, whose keys
// `jose` makes. Import this first: Node 18 has Web Crypto, but not as globals.
import { spawn, execFile } from 'node:child_process';
import { webcrypto, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
const jose = await import('jose');

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const binary = process.env.STINT_BIN ?? path.join(root, 'build/release/bin/stint');

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
export const JWT = 'urn:ietf:params:oauth:token-type:jwt';
export const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const IDP = 'https://login.example';

export const now = () => Math.floor(Date.now() / 1000);

// --- keys ---

export async function newKey(alg, kid) {
  const pair = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid, alg, use: 'sig' };
  return { alg, kid, ...pair, jwk };
}

// Signs a JWT; a claim that is undefined is left out.
export async function sign(key, header, claims) {
  return new jose.SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, ...header })
    .sign(key.privateKey);
}

// --- what clients ask for ---

export const task = (more = {}) => ({
  type: 'stint_task', purpose: 'fix the typo in README', reference: 'T-1', ttl: 600, ...more,
});
export const grant = (upstream, actions, resources) => ({
  type: 'stint_grant', upstream, actions, ...(resources && { resources }),
});
export const GIT = grant('git', ['git.fetch', 'git.push'], ['demo/readme.git']);
export const DESK = grant('desk', ['ticket.read']);
export const details = (...objects) => JSON.stringify(objects.length ? objects : [task(), GIT]);

// --- the server ---

const UPSTREAMS = `
upstream: git
kind: git
url: http://127.0.0.1:9
sensitivity: internal
---
upstream: desk
kind: http
url: http://127.0.0.1:9
sensitivity: internal
actions:
  - {action: ticket.read,   class: read,   match: "GET /tickets/{id}"}
  - {action: ticket.export, class: export, match: "GET /tickets.csv"}
---
upstream: reports
kind: http
url: http://127.0.0.1:9
sensitivity: internal
actions:
  - {action: report.read, class: read, match: "GET /reports/{id}"}
token_alg: RS256
`;
const PEOPLE = `
issuer: login
url: ${IDP}
audiences: [stint]
jwks_file: login.jwks.json
---
group: platform
---
group: approvers
---
human: alice
issuer: login
subject: alice-4711
email: alice@example.com
`;
const AUTONOMOUS = `
@id("interop-alone")
@because("All but one may work with no human behind them.")
permit (principal, action == Action::"task.open", resource)
when { context.task.autonomous && principal != Agent::"helper" };
`;

export class Stint {
  // `alg`: of the tokens. `agents`: {name: alg of the key that it signs assertions with}.
  static async start({ alg = 'ES256', agents = { coder: 'ES256', helper: 'ES256' } } = {}) {
    const self = new Stint();
    self.dir = await fs.mkdtemp(path.join(os.tmpdir(), 'stint-interop-'));
    self.home = path.join(self.dir, 'home');
    await fs.mkdir(self.home, { mode: 0o700 });
    self.idp = await newKey('ES256', 'login-test');
    self.agents = {};
    for (const [name, keyAlg] of Object.entries(agents))
      self.agents[name] = await newKey(keyAlg, `${name}-test`);
    try {
      await self.up({ alg });
      await self.apply();
    } catch (error) {
      await self.stop();
      throw error;
    }
    return self;
  }

  // Serves; again, after down(), on the same state and at the same address.
  async up({ alg = 'ES256' } = {}) {
    const control = this.issuer ? new URL(this.issuer).host : '127.0.0.1:0';
    const gateway = this.gateway ? new URL(this.gateway).host : '127.0.0.1:0';
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('STINT_')));
    Object.assign(env, {
      STINT_HOME: this.home,
      STINT_LISTEN__CONTROL: control,
      STINT_LISTEN__GATEWAY: gateway,
      STINT_LISTEN__OPERATIONS: '127.0.0.1:0',
      STINT_LIMITS__DRAIN_TIMEOUT: '1s',
      STINT_TOKENS__ALG: alg,
    });
    this.env = env;
    this.output = '';
    const child = spawn(binary, ['serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes) => { this.output += bytes; });
    child.on('error', (error) => { this.output += error; });
    const ports = path.join(this.home, 'ports.json');
    for (let i = 0; ; ++i) {
      const text = await fs.readFile(ports, 'utf8').catch(() => '');
      if (text.endsWith('\n') && this.output.includes('issuer ')) {
        const told = JSON.parse(text);
        this.issuer = told.issuer;
        this.gateway = told.gateway;
        break;
      }
      if (child.exitCode !== null || !child.pid || i > 1000)
        throw new Error(`stint serve did not start: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async down() {
    const { child } = this;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }

  async stop() {
    await this.down();
    await fs.rm(this.dir, { recursive: true, force: true });
  }

  async apply() {
    const dir = path.join(this.dir, 'resources');
    await fs.mkdir(dir, { recursive: true });
    const write = (name, text) => fs.writeFile(path.join(dir, name), text);
    await write('people.yaml', PEOPLE.trimStart());
    await write('login.jwks.json', JSON.stringify({ keys: [this.idp.jwk] }));
    await write('upstreams.yaml', UPSTREAMS.trimStart());
    for (const [name, key] of Object.entries(this.agents)) {
      await write(`${name}.yaml`, `agent: ${name}\nowner: platform\ntrust:\n` +
        `  - {kind: private_key_jwt, jwks_file: ${name}.jwks.json}\n`);
      await write(`${name}.jwks.json`, JSON.stringify({ keys: [key.jwk] }));
    }
    await write('alone.cedar', AUTONOMOUS);
    for (const name of await fs.readdir(path.join(root, 'policies')))
      if (name.endsWith('.cedar'))
        await fs.copyFile(path.join(root, 'policies', name), path.join(dir, name));
    await promisify(execFile)(binary, ['apply', '-f', dir, '--yes'], { env: this.env })
      .catch((error) => { throw new Error(`${error.message}${error.stdout}${error.stderr}`); });
  }

  audience(upstream) { return `${this.gateway}/u/${upstream}`; }

  // As the company's login would issue it to Alice.
  idToken(claims = {}) {
    return sign(this.idp, { typ: 'JWT', kid: this.idp.kid }, {
      iss: IDP, sub: 'alice-4711', aud: 'stint', iat: now(), exp: now() + 300,
      auth_time: now() - 30, acr: 'urn:example:passkey', ...claims,
    });
  }

  // A client assertion of an agent, made by jose; `claims` and `header` spoil it.
  assertion(name, claims = {}, header = {}) {
    const key = this.agents[name];
    return sign(key, { kid: key.kid, ...header }, {
      iss: name, sub: name, aud: this.issuer, iat: now(), exp: now() + 60, jti: randomUUID(),
      ...claims,
    });
  }

  // What a child gives its parent, who delegates to it: its assertion, with the key that it holds.
  async actor(name, publicJwk) {
    return {
      actor_token: await this.assertion(name,
        { cnf: { jkt: await jose.calculateJwkThumbprint(publicJwk) } }),
      actor_token_type: JWT,
    };
  }

  // POSTs a form as it is, and gives what came back: for what no library would send.
  async post(endpoint, form, headers = {}) {
    const response = await fetch(`${this.issuer}/oauth/${endpoint}`, {
      method: 'POST', headers, body: new URLSearchParams(form),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text,
      body: text ? JSON.parse(text) : undefined };
  }

  // A nonce for proofs, from the answer to a request with nothing in it.
  async nonce() { return (await this.post('token', {})).headers.get('dpop-nonce'); }
}

// A DPoP proof made by jose (RFC 9449 section 4.2); `claims` and `header` spoil it.
export async function proof(key, method, htu, claims = {}, header = {}) {
  const { kid, alg, use, ...jwk } = key.jwk;
  return sign(key, { typ: 'dpop+jwt', jwk, ...header },
    { jti: randomUUID(), htm: method, htu, iat: now(), ...claims });
}

// A resource server of somebody else: hands each request, as the Request that it was, to `check`.
export async function resourceServer(check) {
  const server = http.createServer(async (incoming, outgoing) => {
    const url = `http://127.0.0.1:${server.address().port}${incoming.url}`;
    try {
      const request = new Request(url, { method: incoming.method, headers: incoming.headers });
      outgoing.end(JSON.stringify({ claims: await check(request) }));
    } catch (error) {
      outgoing.statusCode = 401;
      outgoing.end(JSON.stringify({ refused: error.code ?? error.name, message: error.message,
        claim: error.cause?.claim }));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/tickets/7`,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}
