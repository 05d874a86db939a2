import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A profile as Bun's `--cpu-prof` writes it (the format of Chrome's DevTools). */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds from each sample to the one before it. */
  readonly timeDeltas: readonly number[];
  readonly startTime: number;
  readonly endTime: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface Hot {
  readonly name: string;
  /** Time in it alone. */
  readonly selfPercent: number;
  /** With everything that it called. */
  readonly totalPercent: number;
}

/** Where a process spent its time: by function, and by the package that the time was spent for. */
export interface HotSpots {
  readonly functions: readonly Hot[];
  /** What is built in, like a signature or a write to a socket, counts for the package that called it. */
  readonly packages: readonly Hot[];
}

/**
 * Reads what was sampled between `fromEndMs` and `toEndMs` before the end of a profile.
 * @param directory where `--cpu-prof-dir` left the one profile.
 */
export function readHotSpots(directory: string, fromEndMs: number, toEndMs: number): HotSpots {
  const [file] = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('the process left no profile');
  const profile = JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile;
  const [from, to] = [profile.endTime - fromEndMs * 1_000, profile.endTime - toEndMs * 1_000];
  const stackOf = stacks(profile.nodes);
  const [functions, packages] = [new Times(), new Times()];
  let atUs = profile.startTime;
  profile.samples.forEach((id, i) => {
    atUs += profile.timeDeltas[i] ?? 0;
    if (atUs < from || atUs > to) return;
    const stack = stackOf(id);
    functions.add(stack.map(nameOf));
    packages.add(stack.map(packageOf).filter((name) => name !== undefined));
  });
  return { functions: functions.hottest(), packages: packages.hottest() };
}

/** Counts samples; a sample is a stack, the innermost name first. */
class Times {
  readonly #self = new Map<string, number>();
  readonly #total = new Map<string, number>();
  #samples = 0;

  add(stack: readonly string[]): void {
    const [innermost = '(none)'] = stack;
    this.#samples++;
    this.#self.set(innermost, (this.#self.get(innermost) ?? 0) + 1);
    for (const name of new Set(stack)) this.#total.set(name, (this.#total.get(name) ?? 0) + 1);
  }

  hottest(): Hot[] {
    const percent = (count = 0) => (count / this.#samples) * 100;
    return [...this.#self]
      .map(([name, self]) => ({
        name,
        selfPercent: percent(self),
        totalPercent: percent(this.#total.get(name) ?? self),
      }))
      .sort((a, b) => b.selfPercent - a.selfPercent);
  }
}

/** The frames of a node and of who called it, innermost first. */
function stacks(nodes: readonly ProfileNode[]): (id: number) => ProfileNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  return (id) => {
    const stack: ProfileNode[] = [];
    for (let at: number | undefined = id; at !== undefined; at = callers.get(at)) {
      const node = byId.get(at);
      if (node) stack.push(node);
    }
    return stack;
  };
}

function packageOf({ callFrame: { functionName, url } }: ProfileNode): string | undefined {
  if (functionName.startsWith('.wasm-function')) return '(WebAssembly)';
  return /(?:packages|apps|node_modules)\/(?:@[^/]+\/)?[^/]+(?!.*node_modules\/)/.exec(url)?.[0];
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const place = url.replace(/^.*\/(?=(?:packages|apps|node_modules)\/)/, '');
  return `${functionName || '(anonymous)'}${place === '' ? '' : ` ${place}:${lineNumber + 1}`}`;
}
