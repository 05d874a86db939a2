export type { AgentConsent } from './agent-consent.ts';
export { consentParticipant } from './consent-participant.ts';
export { delegationService } from './service.ts';
export { selectConsent as findConsent, selectLivingConsent as findLivingConsent } from './store.ts';
export { sweepConsents } from './sweep-consents.ts';
