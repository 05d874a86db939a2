import manifest from '../../package.json' with { type: 'json' };
import type { CliContext } from '../context.ts';
import { type OutputFlags, print } from '../output.ts';

export default function version(this: CliContext, flags: OutputFlags): void {
  print(this, flags, { version: manifest.version }, [manifest.version]);
}
