import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { refusePrivateKeys } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { readJsonObject } from '../../input.ts';
import type { OutputFlags } from '../../output.ts';

export interface DocumentFlags extends OutputFlags {
  readonly file: string;
}

export interface ReasonedFlags extends OutputFlags {
  readonly reason?: string;
}

export interface LinkFlags extends OutputFlags {
  readonly subject: string;
  readonly subjectTenant?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly client?: string;
}

/** A request in the JSON form of the contract. @throws Refusal `invalid_request`. */
export async function readRequest<S extends DescMessage>(
  context: CliContext,
  schema: S,
  source: string,
): Promise<MessageShape<S>> {
  const document = await readJsonObject(context, source);
  refusePrivateKeys(document.jwks);
  try {
    return fromJson(schema, document as JsonValue);
  } catch (cause) {
    throw new Refusal('invalid_request', 'file: not a request in the JSON form of the contract', { cause });
  }
}
