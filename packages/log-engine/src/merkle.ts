/** Merkle trees after RFC 6962 §2.1 and RFC 9162 §2.1: hashing, growing, proving, verifying. */
export { coverRange, type GetNode, type NodeRef } from './compact-range.ts';
export { emptyRoot, leafHash, nodeHash } from './hash.ts';
export { consistencyNodes, consistencyProof, inclusionNodes, inclusionProof } from './prove.ts';
export { TreeBuilder, type TreeNode, type TreeState } from './tree-builder.ts';
export { type ConsistencyClaim, type InclusionClaim, verifyConsistency, verifyInclusion } from './verify-proof.ts';
