export { selectMintBudgets } from '../store/mint-budgets.ts';
export { reserveBlock } from '../store/mint-windows.ts';
export { exhausted, isCounted, requireWithin, windowStart } from './mint-budget.ts';
