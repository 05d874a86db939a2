import { moduleOf, resolveModule } from './modules.ts';
import { type Context, isCode, type Rule, type SourceFile } from './source.ts';

/** No file reaches itself through imports that exist at run time. */
export const cycles: Rule = (files, context) => {
  const graph = new Map<string, ReadonlyMap<string, number>>();
  for (const file of files) if (isCode(file.path)) graph.set(file.path, edgesOf(file, context));
  return [...graph.keys()].flatMap((path) => {
    const round = shortestRound(path, graph);
    // A cycle is told once, at its first file.
    if (round === undefined || round.some((other) => other < path)) return [];
    const line = graph.get(path)?.get(round[1] ?? path) ?? 1;
    const message = `import cycle ${[...round, path].join(' → ')}: move what both need into a file of its own`;
    return [{ path, line, rule: 'cycles', message }];
  });
};

function edgesOf(file: SourceFile, context: Context): ReadonlyMap<string, number> {
  const edges = new Map<string, number>();
  for (const { specifier, line, typeOnly } of moduleOf(file).references) {
    const target = typeOnly ? undefined : resolveModule(file.path, specifier, context);
    if (target !== undefined && !edges.has(target)) edges.set(target, line);
  }
  return edges;
}

/** The files of the shortest way from `start` back to itself, `start` first. */
function shortestRound(start: string, graph: ReadonlyMap<string, ReadonlyMap<string, number>>): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const next of graph.get(path)?.keys() ?? []) {
      if (next === start) {
        const round = [path];
        for (let at = path; at !== start; ) {
          at = cameFrom.get(at) as string;
          round.unshift(at);
        }
        return round;
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, path);
      queue.push(next);
    }
  }
  return undefined;
}
