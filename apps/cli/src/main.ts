#!/usr/bin/env bun
import { text } from 'node:stream/consumers';
import { runCli } from './run-cli.ts';

const { env, stdout, stderr, stdin } = process;
process.exitCode = await runCli(process.argv.slice(2), { env, stdout, stderr, readStdin: () => text(stdin) });
