import { type DescMethod, fromBinary, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import type { Tenant } from '@mono-auth/tenants';
import { accessTokenType, basic, type Contestant, type Load, scope, target } from './contestant.ts';
import type { SecretClient } from './seed-clients.ts';

interface Parts extends Pick<Contestant, 'server' | 'issuers'> {
  readonly tenant: Tenant;
  readonly client: SecretClient;
  subjectToken(): Promise<string>;
}

export const connectNames = {
  json: 'TokenService.Exchange, Connect JSON',
  proto: 'TokenService.Exchange, Connect protobuf',
} as const;

/** The method as the contract of this tree has it: without it there is nothing to measure. */
export function exchangeMethod(): DescMethod | undefined {
  return TokenService.methods.find(({ name }) => name === 'Exchange');
}

/** The same exchange as a unary call of the Connect protocol, in both of its encodings. */
export function connectRows({ tenant, client, server, issuers, subjectToken }: Parts): Contestant[] {
  const method = exchangeMethod();
  if (!method) return [];
  const path = `${new URL(tenant.issuer).pathname}/rpc/${method.parent.typeName}/${method.name}`;
  // By the descriptor, not by generated types: this compiles without the method as well.
  const message = async () =>
    fromJson(method.input, {
      subjectToken: await subjectToken(),
      subjectTokenType: accessTokenType,
      ...{ resource: [target], scope },
    });
  const load = (contentType: string, body: string, encoding: 'utf8' | 'base64'): Load => {
    const headers = { ...basic(client), 'content-type': contentType, 'connect-protocol-version': '1' };
    return { requests: [{ path, headers, body, encoding }] };
  };
  const tokenOf = (answer: JsonObject) => String(answer.accessToken);
  return [
    {
      ...{ name: connectNames.json, server, issuers },
      prepare: async () => load('application/json', JSON.stringify(toJson(method.input, await message())), 'utf8'),
      tokenOf: (body) => tokenOf(JSON.parse(body) as JsonObject),
    },
    {
      ...{ name: connectNames.proto, server, issuers },
      prepare: async () =>
        load('application/proto', Buffer.from(toBinary(method.input, await message())).toString('base64'), 'base64'),
      tokenOf: (body) =>
        tokenOf(toJson(method.output, fromBinary(method.output, Buffer.from(body, 'latin1'))) as JsonObject),
    },
  ];
}
