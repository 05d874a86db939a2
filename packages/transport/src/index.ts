export { type AccessEffects, accessOf, type Denial } from './access.ts';
export { reasonOf, toConnectError } from './connect-errors.ts';
export type { EventsRequest } from './event-stream.ts';
export type { Http2Exchange } from './http2-exchange.ts';
export { type ClientCertificate, callOf, type Ingress, ingressOf, type Possession } from './ingress.ts';
export { toBearerError, toOAuthError } from './oauth-errors.ts';
export { type Framing, openRawStream, type RawStream } from './raw-stream.ts';
export { createRpcFetch, createRpcServer, type RpcFetch, type RpcOptions, type RpcServer } from './rpc-handler.ts';
