import { append } from '@mono-auth/audit';
import { type Client, clientAuthentication } from '@mono-auth/clients';
import { type Reason, Refusal } from '@mono-auth/core/errors';
import { type Call, callerWithoutToken, type Principal } from '@mono-auth/core/principal';
import type { Confirmation } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import { intersectScope, type Purse } from '@mono-auth/minting';
import type { DpopProof } from '@mono-auth/sdk/dpop-proof';
import { readSecurityPolicy } from '@mono-auth/tenants';
import { mintThrough } from './attestation/mint-through.ts';
import { type AttestedInstance, proveInstance } from './attestation/prove-instance.ts';
import { readAttestation, type ShownAttestation } from './attestation/read-attestation.ts';
import type { GrantDeps } from './deps.ts';
import { readProof } from './dpop/read-proof.ts';
import { useUpProof } from './dpop/use-up-proof.ts';
import type { Attempt, FormRequest, GrantSession, Unproven } from './grant-session.ts';

interface ProvenClient {
  readonly client: Client;
  readonly principal: Principal;
  readonly instance?: AttestedInstance | undefined;
}

/**
 * Client authentication (RFC 6749 §2.3), and who the client is. Inside `deps.remoteKeys.withKeys`.
 * @param shown by an instance of the client, read before the transaction.
 */
export async function authenticate(
  { runtime, remoteKeys, noteSecretUse }: Pick<GrantDeps, 'runtime' | 'remoteKeys' | 'noteSecretUse'>,
  tx: TenantTx,
  { tenant, form, authorization, origin }: FormRequest,
  shown: ShownAttestation | undefined,
): Promise<ProvenClient> {
  const proof = shown && proveInstance({ runtime, remoteKeys }, shown);
  const client = await clientAuthentication.authenticateClient(
    tx,
    { runtime, remoteKeys, noteSecretUse, issuer: tenant.issuer },
    {
      client_assertion_type: form.get('client_assertion_type'),
      client_assertion: form.get('client_assertion'),
      client_id: form.get('client_id'),
      client_secret: form.get('client_secret'),
      authorization,
      certificate: origin.possession?.certificate,
      instance: proof,
    },
  );
  const instance = proof?.attested;
  if (!instance) return { client, principal: principalOf(client) };
  // Whoever is vouched for has no more than the attester is trusted with.
  const scopes = intersectScope(client.scopes, instance.attester.scopes);
  return { client: { ...client, scopes }, principal: principalOf(client), instance };
}

interface GrantHandling {
  readonly changesRows: boolean;
  /** Who asks, where the grant itself proves it; undefined: the client has to authenticate. */
  readonly identify?: ((unproven: Unproven) => Promise<Client | undefined>) | undefined;
}

/**
 * Decides a grant: the feed's head first, then the client, then the work, in one transaction, which is read-only unless the
 * grant changes rows; what it leaves behind (events, the spent assertion) is durable before anybody hears of it. A refusal
 * is evidence as well: it is kept as `token.refused`, with the assertion that was spent on it and with what had to be put to
 * an end because of it, then thrown. One that comes when a grant has begun to change rows undoes everything.
 */
export async function withGrantSession<T>(
  deps: GrantDeps,
  request: FormRequest,
  work: (session: GrantSession) => Promise<T>,
  { changesRows, identify }: GrantHandling = { changesRows: false },
): Promise<T> {
  const attempt: Attempt = {};
  // Before anything is used up: whoever is only asked for a nonce comes again with the same code or assertion, and leaves
  // no evidence, because nothing was decided.
  const proof = await readProof(deps, request).catch(heldUnless('use_dpop_nonce'));
  const { attestation: headers } = request;
  const shown = headers && (await readShown(deps, { ...request, headers }, proof));
  let call = callOf(deps, request, 'anonymous:', undefined);
  const decide = async (tx: TenantTx, purse: Purse): Promise<{ granted: T } | { refused: Refusal }> => {
    // What it had changed before it was given up, to be made again, was undone.
    delete attempt.changed;
    const context = await deps.minter.begin(tx, purse);
    try {
      if (proof instanceof Refusal) throw proof;
      if (shown instanceof Refusal) throw shown;
      const ceilings = await readSecurityPolicy(tx);
      const found = await identify?.({ ...request, deps, tx, ceilings, shown });
      const proven: ProvenClient | undefined = found && { client: found, principal: principalOf(found) };
      const { client, principal, instance } = proven ?? (await authenticate(deps, tx, request, shown));
      call = callOf(deps, request, principal, client);
      if (proof) await useUpProof(tx, proof);
      const binding = { dpopJkt: proof?.jkt, confirmation: confirmationOf(client, request.origin, proof) };
      const minting = instance ? { ...deps, minter: mintThrough(deps.minter, instance.attester.id) } : deps;
      const known = {
        ...binding,
        deps: minting,
        tx,
        context,
        client,
        principal,
        call,
        attempt,
        ceilings,
        shown,
        instance,
      };
      return { granted: await work({ ...request, ...known }) };
    } catch (error) {
      if (!isAnswer(error) || attempt.changed) throw error;
      await recordRefused(tx, call, request, attempt, error);
      return { refused: error };
    }
  };
  const { database, minter, remoteKeys } = deps;
  const { id } = request.tenant;
  const run = (purse: Purse) => {
    const work = (tx: TenantTx) => decide(tx, purse);
    return remoteKeys.withKeys(() => (changesRows ? database.forTenant(id, work) : database.forDecision(id, work)));
  };
  const outcome = await minter.withBudgets(id, run).catch(async (error: unknown) => {
    // The assertion was used before, or a change was undone: nothing was kept, so the refusal is recorded by itself.
    if (!isAnswer(error)) throw error;
    await deps.database.forDecision(request.tenant.id, (tx) => recordRefused(tx, call, request, attempt, error));
    return { refused: error };
  });
  if ('refused' in outcome) throw outcome.refused;
  return outcome.granted;
}

/** As for a nonce: whoever is only asked for a challenge comes again, and leaves no evidence. */
async function readShown(
  deps: GrantDeps,
  request: Parameters<typeof readAttestation>[1],
  proof: DpopProof | Refusal | undefined,
): Promise<ShownAttestation | Refusal | undefined> {
  if (proof instanceof Refusal) return undefined;
  return readAttestation(deps, request, proof).catch(heldUnless('use_attestation_challenge'));
}

/** RFC 9449 §6.1, RFC 8705 §3.1: tokens are bound to every key that the client has proven to hold. */
function confirmationOf(
  { manifest }: Client,
  { possession }: FormRequest['origin'],
  proof: DpopProof | undefined,
): Confirmation | undefined {
  const certificate = manifest?.authMethod === 'tls_client_auth' ? possession?.certificate : undefined;
  if (!proof && !certificate) return undefined;
  return { ...(proof && { jkt: proof.jkt }), ...(certificate && { 'x5t#S256': certificate.thumbprint }) };
}

/** A refusal as a value, to be thrown where it leaves its evidence; the one of this reason is thrown at once. */
function heldUnless(reason: Reason): (error: unknown) => Refusal {
  return (error) => {
    if (error instanceof Refusal && error.reason !== reason) return error;
    throw error;
  };
}

/** Whether an error is our answer to the request, as opposed to our own failure. */
function isAnswer(error: unknown): error is Refusal {
  return error instanceof Refusal && error.row.http < 500;
}

/** The client itself as a caller: it holds no permission beyond what the endpoint gives it. */
export function callOf(
  { runtime }: Pick<GrantDeps, 'runtime'>,
  { tenant, origin }: FormRequest,
  principal: Principal,
  client: Client | undefined,
): Call {
  const { requestId, ip } = origin;
  return { runtime, caller: callerWithoutToken({ principal, tenant, clientId: client?.id, requestId, ip }) };
}

function principalOf(client: Client): Principal {
  if (client.kind === 'service') return `service:${client.id}`;
  if (client.kind === 'machine' || client.kind === 'app') return `client:${client.id}`;
  if (client.kind === 'host' && client.hostId) return `host:${client.hostId}`;
  throw new Refusal('unauthorized_client', 'this kind of client cannot ask for tokens');
}

async function recordRefused(
  tx: TenantTx,
  call: Call,
  { tenant, form }: FormRequest,
  { subject, decision }: Attempt,
  refusal: Refusal,
): Promise<void> {
  const { clientId } = call.caller;
  await append(tx, call, {
    type: 'token.refused',
    outcome: 'denied',
    reason: refusal.reason,
    object: clientId ? { kind: 'client', id: clientId } : { kind: 'tenant', id: tenant.id },
    ...(subject && { subject }),
    ...decision,
    detail: { grant_type: form.get('grant_type') ?? '', refusal: refusal.detail },
  });
}
