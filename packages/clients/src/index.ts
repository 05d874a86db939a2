import * as clientAuthentication from './authentication/index.ts';
import * as clientFields from './client-fields.ts';
import * as hostClients from './host-clients.ts';
import * as livingResources from './living-resources.ts';
import * as peerJwt from './peer-jwt.ts';

export type { ClientAuthentication } from './authentication/credentials.ts';
export type { Client, ClientKind, ClientStatus, PublicJwks } from './client.ts';
export { clientParticipant } from './client-participant.ts';
export { type CreateClientInput, createClient } from './create-client.ts';
export type { AuthMethod, Manifest } from './manifest.ts';
export { readPublicJwks } from './public-jwks.ts';
export type { Resource } from './resources/resource.ts';
export { clientService } from './service.ts';
export { selectClient as findClient } from './store.ts';
export { clientAuthentication, clientFields, hostClients, livingResources, peerJwt };
