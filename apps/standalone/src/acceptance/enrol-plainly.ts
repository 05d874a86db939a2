import type { JsonObject } from '@bufbuild/protobuf';
import { makeKey, type PlainAnswer, PlainClient, type PlainKey, postRpc } from './plain-client.ts';

export interface PlainHost {
  readonly client: PlainClient;
  readonly hostId: string;
  readonly joinState: string;
}

const service = 'monoauth.machines.v1.MachineService';
const proofType = 'mono-proof+jwt';

/** What redeeming this invite needs, a proof by `key` over a fresh challenge included. */
export async function redemptionOf(issuer: string, invite: string, key: PlainKey): Promise<JsonObject> {
  const nonce = await challenge(issuer, invite);
  const proof = await key.sign(proofType, { aud: issuer, nonce });
  return { invite, publicJwk: key.publicJwk as JsonObject, proof };
}

export function redeem(issuer: string, redemption: JsonObject): Promise<PlainAnswer> {
  return postRpc(issuer, `${service}/RedeemInvite`, redemption);
}

/** Enrols a host by plain HTTP. */
export async function enrolPlainly(issuer: string, invite: string): Promise<PlainHost> {
  const key = await makeKey();
  const { status, body } = await redeem(issuer, await redemptionOf(issuer, invite, key));
  const { host, clientId, joinState } = body as { host?: { id?: string }; clientId?: string; joinState?: string };
  if (!host?.id || !clientId || !joinState) throw new Error(`not enrolled: ${status} ${JSON.stringify(body)}`);
  return { client: new PlainClient(issuer, clientId, key), hostId: host.id, joinState };
}

/** What renewing this host needs: the current key vouches for itself as the next one. */
export async function renewalOf({ client, joinState }: PlainHost, requestId: string): Promise<JsonObject> {
  const { issuer, key } = client;
  const nonce = await challenge(issuer, joinState);
  const proof = await key.sign(proofType, { aud: issuer, nonce, request_id: requestId, next_jkt: key.jkt });
  return { joinState, requestId, nextPublicJwk: key.publicJwk as JsonObject, proof, nextProof: '' };
}

async function challenge(issuer: string, credential: string): Promise<string> {
  const { status, body } = await postRpc(issuer, `${service}/Challenge`, { credential });
  if (typeof body.nonce === 'string') return body.nonce;
  throw new Error(`no challenge: ${status} ${JSON.stringify(body)}`);
}
