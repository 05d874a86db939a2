/** The export bundle: a range of the log in one file that anybody verifies with nothing but the log's public key. */
export { type BundleSource, buildBundle } from './build-bundle.ts';
export { entryBytesMax } from './bundle-lines.ts';
export {
  type BundleFault,
  type BundleReport,
  BundleVerifier,
  type RefusedBundle,
  type VerifiedBundle,
  verifyBundle,
} from './verify-bundle.ts';
