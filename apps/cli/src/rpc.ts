import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { createRpcTransport, refusalOf } from '@mono-auth/sdk';
import { decodeJwt } from 'jose';
import type { CliContext } from './context.ts';
import { requestPersonToken, requireSession } from './session.ts';

/** Items that a listing prints at most; whoever needs more asks the API. */
const listedMax = 1_000;

export interface Login {
  readonly issuer: string;
  /** For the management API. */
  readonly token: string;
}

/** Who runs the command: `MONO_TOKEN` where it is set, else the person who is signed in. */
export async function requireLogin(context: CliContext): Promise<Login> {
  const given = context.env.MONO_TOKEN?.trim();
  if (given) return { issuer: issuerOfToken(given), token: given };
  const session = await requireSession(context);
  const { accessToken } = await requestPersonToken(context, session, {});
  return { issuer: session.issuer, token: accessToken };
}

/** Calls a service of the tenant. @throws Refusal, as the server gave it. */
export async function withClient<S extends DescService, T>(
  context: CliContext,
  service: S,
  work: (client: Client<S>) => Promise<T>,
): Promise<T> {
  const { issuer, token } = await requireLogin(context);
  const transport = createRpcTransport({ issuer, tokens: async () => token, fetch: context.fetch });
  try {
    return await work(createClient(service, transport));
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Every page of a list, newest first, up to the limit of a listing. */
export async function collectPages<T>(
  fetchPage: (pageToken: string) => Promise<{ items: readonly T[]; nextPageToken: string }>,
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = '';
  do {
    const page = await fetchPage(pageToken);
    all.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && all.length < listedMax);
  return all.slice(0, listedMax);
}

/** Read from the token itself, unverified: it only says where the token came from, and goes back there. */
function issuerOfToken(token: string): string {
  let iss: unknown;
  try {
    if (jwtSyntax.test(token)) ({ iss } = decodeJwt(token));
  } catch {
    iss = undefined;
  }
  if (typeof iss !== 'string' || !URL.canParse(iss)) {
    throw new Refusal('invalid_request', 'MONO_TOKEN: not an access token of Mono-Auth');
  }
  return iss;
}
