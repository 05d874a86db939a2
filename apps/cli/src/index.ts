export type { CliOptions, Environment } from './context.ts';
export { runCli } from './run-cli.ts';
