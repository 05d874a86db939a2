import type { Client } from '@mono-auth/clients';
import type { DecisionId } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import type { Confirmation } from '@mono-auth/core/token-claims';
import type { TenantTx } from '@mono-auth/database';
import type { MintContext } from '@mono-auth/minting';
import type { Tenant } from '@mono-auth/tenants';
import type { AttestationHeaders } from './attestation/attestation-headers.ts';
import type { AttestedInstance } from './attestation/prove-instance.ts';
import type { ShownAttestation } from './attestation/read-attestation.ts';
import type { Ceilings } from './ceilings.ts';
import type { GrantDeps, Origin } from './deps.ts';
import type { Form } from './form.ts';

/** A request at one of the endpoints, before anybody is proven. */
export interface FormRequest {
  readonly tenant: Tenant;
  readonly form: Form;
  /** The header of this name, by which a client may authenticate. */
  readonly authorization: string | undefined;
  /** The headers by which an instance of a client may authenticate, where the tenant has that. */
  readonly attestation?: AttestationHeaders | undefined;
  readonly origin: Origin;
}

/** A request whose client is not known yet. Its transaction has seen the feed's head. */
export interface Unproven extends FormRequest {
  readonly deps: GrantDeps;
  readonly tx: TenantTx;
  readonly ceilings: Ceilings;
  /** What an instance of a client has shown of itself. */
  readonly shown: ShownAttestation | undefined;
}

/** What the policy said, as tokens and evidence carry it. */
export interface Decision {
  readonly decisionId: DecisionId;
  readonly policyVersion: number;
  /** Names of the policies that decided. */
  readonly policies: readonly string[];
}

/** What a refusal should say of the request, as far as it got: the evidence of `token.refused`. */
export interface Attempt {
  subject?: Principal;
  decision?: Decision;
  /** Set once the grant has begun to change rows: a refusal that comes after it undoes them all. */
  changed?: true;
}

/** A grant under work: the client is authenticated, `context` was taken before any status. */
export interface GrantSession extends FormRequest {
  readonly deps: GrantDeps;
  readonly tx: TenantTx;
  readonly context: MintContext;
  readonly client: Client;
  /** The client's principal. */
  readonly principal: Principal;
  readonly call: Call;
  readonly attempt: Attempt;
  /** What the tenant's security policy says now. */
  readonly ceilings: Ceilings;
  /** Thumbprint of the key that the client has proven; tokens are bound to it. */
  readonly dpopJkt: string | undefined;
  /** What tokens are bound to (`cnf`): that key, or the certificate that the client authenticates with. */
  readonly confirmation: Confirmation | undefined;
  readonly shown: ShownAttestation | undefined;
  /** The instance of the client that asks, where an attester vouches for it; refresh tokens are bound to its key. */
  readonly instance: AttestedInstance | undefined;
}

/** Whether the client has proven this key: by DPoP, or as the instance that holds it. */
export function hasProven({ dpopJkt, instance }: Pick<GrantSession, 'dpopJkt' | 'instance'>, jkt: string): boolean {
  return jkt === dpopJkt || jkt === instance?.jkt;
}
