import { fromBase64url } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import type { KeyOwner, Keyring, Signer } from '@mono-auth/keys';
import { checkpoint, merkle, note } from '@mono-auth/log-engine';
import type { TreeRow } from './store.ts';

/** Signs what the tenant's log says. */
export function logSigner(keys: Keyring, owner: KeyOwner): Promise<Signer> {
  return keys.signer(owner, 'log', 'EdDSA');
}

/** The signed checkpoint of a tree (C2SP tlog-checkpoint). */
export async function signCheckpoint(
  signer: Signer,
  tenantId: TenantId,
  tree: Pick<TreeRow, 'origin' | 'incarnation' | 'size' | 'frontier'>,
): Promise<string> {
  const { origin, incarnation, size, frontier } = tree;
  const root = new merkle.TreeBuilder({ size, frontier }).root();
  const extensions = checkpoint.logExtensions({ tenantId, incarnation });
  return note.signNote(checkpoint.checkpointText({ origin, size, root, extensions }), {
    name: origin,
    publicKey: publicKeyBytes(signer.publicJwk.x),
    sign: (message) => signer.sign(message),
  });
}

/** The key that signed this checkpoint of ours. */
export async function checkpointKey(keys: Keyring, tenantId: TenantId, tree: TreeRow): Promise<note.VerifierKey> {
  const ours = await keys.publicKeys(tenantId, 'log');
  const verifierKeys = ours.map(({ x }) => note.verifierKey(tree.origin, publicKeyBytes(x)));
  return note.verifyNote(tree.note, verifierKeys).signedBy[0] as note.VerifierKey;
}

/** RFC 8037 §2: `x` is the raw Ed25519 public key. */
function publicKeyBytes(x: string | undefined): Uint8Array {
  return fromBase64url(x ?? '');
}
