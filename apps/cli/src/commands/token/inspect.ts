import { toJson } from '@bufbuild/protobuf';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { type ExplainRequest, ExplainResponseSchema, TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import type { CliContext } from '../../context.ts';
import { readSecret } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { requireLogin, withClient } from '../../rpc.ts';
import { decodeToken, printDecoded } from './decode-token.ts';
import { explanationLines } from './explanation-lines.ts';

export interface InspectFlags extends OutputFlags {
  readonly tokenFile?: string;
  readonly jti?: string;
  readonly offline: boolean;
}

/** Has a token explained by its issuer, or the token of an id; `offline` only reads what it says of itself. */
export default async function inspectToken(this: CliContext, flags: InspectFlags): Promise<void> {
  const { tokenFile, jti, offline } = flags;
  if ((tokenFile === undefined) === (jti === undefined)) {
    throw new Refusal('invalid_request', 'token-file, jti: one of them');
  }
  if (tokenFile !== undefined) {
    const token = await readSecret(this, tokenFile);
    if (offline) return printDecoded(this, flags, token);
    await requireSameIssuer(this, token);
    return explain(this, flags, { case: 'token', value: token });
  }
  if (offline) throw new Refusal('invalid_request', 'offline: only a token says something of itself');
  return explain(this, flags, { case: 'jti', value: jti ?? '' });
}

async function explain(context: CliContext, flags: OutputFlags, of: ExplainRequest['of']): Promise<void> {
  const found = await withClient(context, TokenService, (service) => service.explain({ of }));
  const document = toJson(ExplainResponseSchema, found, { alwaysEmitImplicit: true });
  print(context, flags, document, explanationLines(found, context.runtime.nowMs()));
}

/** A token is shown to nobody but its own issuer, which would not find another's anyway. */
async function requireSameIssuer(context: CliContext, token: string): Promise<void> {
  const { iss } = decodeToken(token).claims;
  if (iss !== (await requireLogin(context)).issuer) throw notFound('token');
}
