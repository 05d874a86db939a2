export { authenticateBearer } from './authenticate-bearer.ts';
export type { BearerDeps, Origin, TokenDeps } from './deps.ts';
export { authorizationServerMetadata, openidConfiguration } from './metadata.ts';
export { tokenRoutes } from './routes.ts';
export { tokenService } from './service.ts';
