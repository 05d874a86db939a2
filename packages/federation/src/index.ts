export type { Assertion } from './assertion.ts';
export type { FederatedSubject, LinkedPrincipal } from './federated-subject.ts';
export { requireAuthentication } from './judge-person.ts';
export type { ResourceServerTrust } from './resource-server-trust.ts';
export { federationService } from './service.ts';
export { selectLivingResourceServer as findResourceServer } from './store/resource-servers.ts';
export { selectSubject as findSubject } from './store/subjects.ts';
export { useUpAssertion } from './use-up-assertion.ts';
export { verifyAssertion } from './verify-assertion.ts';
