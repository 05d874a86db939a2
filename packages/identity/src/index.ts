import * as logouts from './logout/deliver-logouts.ts';

export type { IdentityDeps, Origin } from './context.ts';
export type { NewUser } from './create-user.ts';
export { type Identity, openIdentity } from './identity.ts';
export { openPeople } from './people.ts';
export type { Session } from './read-session.ts';
export { sessionParticipant } from './session-participant.ts';
export type { Person } from './store.ts';
export { logouts };
