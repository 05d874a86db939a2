import { connectNames } from './connect-rows.ts';
import { ourNames } from './our-rows.ts';
import { peerNames } from './peer-names.ts';
import type { Figures } from './rounds.ts';

/** What a figure should be, beside what it is. */
export interface Aim {
  readonly what: string;
  readonly aim: string;
  /** Undefined where it could not be measured. */
  readonly value: number | undefined;
  readonly unit: 'x' | 'ms' | 'MiB' | '%';
  /** The same ratio of tokens for a second of the servers' processor time. */
  readonly byCpu?: number | undefined;
  readonly met: boolean | undefined;
  /** Why there is no value, or what stands in its way. */
  readonly note?: string;
}

/** Everything that a run measures. */
export interface Measurements {
  readonly rows: readonly Figures[];
  readonly one: Figures | undefined;
  readonly many: Figures | undefined;
  readonly oneProcess: Figures | undefined;
  readonly twoProcesses: Figures | undefined;
  readonly twoProcessesRefused: string | undefined;
  readonly tokensOnlyMiB: number;
  readonly everythingMiB: number;
}

const latencyMsMax = 20;
const memoryMiBMax = { tokensOnly: 160, everything: 260 };
const flatPercentMax = 15;
const noPeer = 'not measured';
const notServed = 'not served yet';

export function judge(measured: Measurements): Aim[] {
  const { rows, one, many, oneProcess, twoProcesses, twoProcessesRefused, tokensOnlyMiB, everythingMiB } = measured;
  const figures = (name: string) => rows.find((row) => row.name === name);
  const ratio = (
    what: string,
    a: Figures | undefined,
    b: Figures | undefined,
    min: number,
    note = 'not served yet',
  ) => {
    const value = a && b ? a.perSecond / b.perSecond : undefined;
    return { ...atLeast(what, value, min, note), byCpu: cpuRatio(a, b) };
  };
  const { exchangeByBasic, exchangeByAssertion } = ourNames;
  const exchange = figures(exchangeByBasic);
  const change = one && many ? (many.perSecond / one.perSecond - 1) * 100 : undefined;
  return [
    ratio('token exchange / oidc-provider token exchange', exchange, figures(peerNames.oidcExchange), 1.25, noPeer),
    ratio('token exchange / oidc-provider client_credentials', exchange, figures(peerNames.oidcOwn), 1, noPeer),
    ratio('token exchange / Better Auth client_credentials', exchange, figures(peerNames.betterAuthOwn), 10, noPeer),
    atMost('token exchange, p99', exchange?.p99Ms, latencyMsMax, 'ms'),
    ratio('exchange by private_key_jwt / by secret', figures(exchangeByAssertion), exchange, 0.7, notServed),
    ratio('exchange over Connect JSON / form', figures(connectNames.json), exchange, 0.9, notServed),
    ratio('exchange over Connect protobuf / form', figures(connectNames.proto), exchange, 0.9, notServed),
    ratio('two processes / one', twoProcesses, oneProcess, 1.6, twoProcessesRefused ? 'refused' : 'not measured'),
    {
      ...{ what: `${many?.name ?? 'many tenants'} / one tenant, one client`, unit: '%', value: change },
      ...{ aim: `+-${flatPercentMax} %`, met: change === undefined ? undefined : Math.abs(change) <= flatPercentMax },
      byCpu: cpuRatio(many, one),
    },
    atMost('memory after tokens only', tokensOnlyMiB, memoryMiBMax.tokensOnly, 'MiB'),
    atMost('memory with Better Auth and wasm loaded', everythingMiB, memoryMiBMax.everything, 'MiB'),
  ];
}

function cpuRatio(a: Figures | undefined, b: Figures | undefined): number | undefined {
  return a?.perCpuSecond && b?.perCpuSecond ? a.perCpuSecond / b.perCpuSecond : undefined;
}

function atLeast(what: string, value: number | undefined, min: number, note: string): Aim {
  const aim = { what, aim: `>= ${min}x`, value, unit: 'x' as const };
  return value === undefined ? { ...aim, met: undefined, note } : { ...aim, met: value >= min };
}

function atMost(what: string, value: number | undefined, max: number, unit: 'ms' | 'MiB'): Aim {
  return { what, aim: `<= ${max} ${unit}`, value, unit, met: value === undefined ? undefined : value <= max };
}
