import type { JsonObject } from '@bufbuild/protobuf';
import { call, freshName, type IsolationRow } from './isolation-row.ts';
import type { TenantScene } from './tenant-scene.ts';

const service = 'monoauth.policy.v1.PolicyService';

/** Of an agent that nobody has given anything. */
async function roleOf(here: TenantScene): Promise<JsonObject> {
  const named = { hostId: here.handles.host, name: freshName() };
  const { agent } = await call(here, 'monoauth.machines.v1.MachineService/CreateAgent', named);
  return { product: here.handles.product, role: 'clerk', principal: `agent:${(agent as { id: string }).id}` };
}

/** Products, their roles, and who has them. */
export const roleRows: Readonly<Record<string, IsolationRow>> = {
  [`${service}/RegisterProduct`]: {
    own: ({ handles }) => ({ name: `p${freshName()}`, resources: [], displayName: handles.resource }),
    shows: true,
    foreign: ({ product, resource }) => [
      { name: product, basedOn: '1' },
      { name: `p${freshName()}`, resources: [resource] },
    ],
  },
  [`${service}/GetProduct`]: {
    own: ({ handles }) => ({ name: handles.product }),
    shows: true,
    foreign: ({ product }) => [{ name: product }],
  },
  [`${service}/ListProducts`]: {
    own: () => ({}),
    shows: true,
    silent: ({ handles }) => [{ pageToken: handles.product }],
  },
  [`${service}/AssignRole`]: {
    own: roleOf,
    shows: true,
    foreign: ({ product, agent, user, client }, { handles }) => [
      { product, role: 'clerk', principal: `user:${handles.user}` },
      ...[`agent:${agent}`, `user:${user}`, `service:${client}`].map((principal) => ({
        ...{ product: handles.product, role: 'clerk', principal },
      })),
    ],
  },
  [`${service}/RemoveRole`]: {
    own: async (here) => {
      const { assignment } = await call(here, `${service}/AssignRole`, await roleOf(here));
      return { id: (assignment as { id: string }).id };
    },
    shows: true,
    foreign: ({ assignment }) => [{ id: assignment }],
  },
  [`${service}/ListAssignments`]: {
    own: () => ({}),
    shows: true,
    silent: ({ handles }) => [
      { pageToken: handles.assignment },
      { product: handles.product },
      { principal: `user:${handles.user}` },
    ],
  },
};
