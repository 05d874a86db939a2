export { type Admitted, type Arrival, createAdmission, type RoutedTenant } from './admit-request.ts';
export { createGateway, type GatewayDeps } from './gateway.ts';
export { openRevocationWatch, type RevocationWatch, type RevocationWatchDeps } from './revocation-watch.ts';
