export { authenticateBearer } from './authenticate-bearer.ts';
export type { BearerDeps, Origin, TokenDeps } from './deps.ts';
export { discoveryRoutes } from './discovery-routes.ts';
export { tokenRoutes } from './routes.ts';
export { tokenService } from './service.ts';
export { answerTokenRequest } from './token-endpoint.ts';
