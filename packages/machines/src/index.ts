import * as mintBudgets from './budgets/index.ts';

export type { Agent } from './agent.ts';
export { agentParticipant } from './agent-participant.ts';
export type { BudgetHolder, HeldBudget, MeasuredToken } from './budgets/mint-budget.ts';
export type { EnrolmentDeps } from './enrolment.ts';
export { hostParticipant } from './host-participant.ts';
export { createChallenges } from './proof.ts';
export { machineService } from './service.ts';
export { selectAgent as findAgent, selectAgentIds as findAgentIds } from './store/agents.ts';
export { selectHost as findHost } from './store/hosts.ts';
export type { BlockRequest, ReservedBlock } from './store/mint-windows.ts';
export { mintBudgets };
