export { ensureGatewayClient } from './gateway-client.ts';
/** Resources as whoever makes tokens for them asks. */
export {
  selectDefaultResource as findDefaultResource,
  selectLivingResource as findResource,
  /** Retired ones, and those of a suspended client, as well. */
  selectResource as findRegistered,
} from './store/resources.ts';
