import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { issuerOf } from '@mono-auth/core/tenant-slug';

/** A person with a browser: fills in the hosted form, keeps the cookies, asks for tokens. */
export class Person {
  readonly issuer: string;
  readonly #cookies: Map<string, string>;

  private constructor(issuer: string, cookies: Map<string, string>) {
    this.issuer = issuer;
    this.#cookies = cookies;
  }

  /**
   * Signs in through the hosted page, without JavaScript.
   * @throws Error when the page does not let the person in.
   */
  static async signIn(baseUrl: string, slug: string, email: string, password: string): Promise<Person> {
    const person = new Person(issuerOf(baseUrl, slug), new Map());
    const page = await person.fetch('/sign-in');
    const html = await page.text();
    const action = new URL(attribute(html, /<form[^>]*action="([^"]*)"/), person.issuer);
    const form = { form_token: attribute(html, /name="form_token" value="([^"]*)"/), email, password };
    const answer = await person.fetch(action.pathname.slice(new URL(person.issuer).pathname.length) + action.search, {
      method: 'POST',
      headers: { origin: action.origin },
      body: new URLSearchParams(form),
    });
    if (answer.status !== 303) throw new Error(`signing in as ${email} ended with ${answer.status}`);
    return person;
  }

  /** A token for `audience` (the RPC face when none is named), minted for this session. */
  async token(request: { audience?: string; scope?: string; use?: 'gateway'; may_act?: string } = {}): Promise<string> {
    const answer = await this.fetch('/auth/token', {
      method: 'POST',
      headers: { origin: new URL(this.issuer).origin, 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    const body = (await answer.json()) as { access_token?: string; error_description?: string };
    if (!body.access_token) throw new Error(`no token: ${answer.status} ${body.error_description}`);
    return body.access_token;
  }

  /** A stock Connect client that acts with this person's token. */
  async rpc<S extends DescService>(service: S): Promise<Client<S>> {
    return rpcClient(this.issuer, service, await this.token());
  }

  /** A request with this browser's cookies, to a path under the tenant. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('cookie', [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    const answer = await fetch(`${this.issuer}${path}`, { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1);
      this.#cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    return answer;
  }
}

/** A stock Connect client for the tenant's RPC face, with a bearer token or none. */
export function rpcClient<S extends DescService>(issuer: string, service: S, token: string | undefined): Client<S> {
  const transport = createConnectTransport({
    baseUrl: `${issuer}/rpc`,
    httpVersion: '1.1',
    interceptors: [
      (next) => (request) => {
        if (token) request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return createClient(service, transport);
}

function attribute(html: string, pattern: RegExp): string {
  const found = pattern.exec(html)?.[1];
  if (found === undefined) throw new Error(`the page has no ${pattern.source}`);
  return found.replaceAll('&amp;', '&').replaceAll('&quot;', '"');
}
