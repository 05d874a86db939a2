/**
 * `strict` routes are answered only while revocations are known at the edge itself (law 8); on `relaxed` ones the control
 * plane decides, which reads the table.
 */
export type RouteClass = 'strict' | 'relaxed';

/** Routes of the management API by their class, as in `monoauth.feed.v1.FeedService/Watch`. What is not named is relaxed. */
export type RouteClasses = Readonly<Record<string, RouteClass>>;

/** None is strict as long as every route is answered by the control plane itself. */
export const routeClasses: RouteClasses = {};

/** The two forms of an RPC's path; the second names its tenant by the token alone. */
const rpcPath = /^(?:\/t\/[^/]+\/rpc)?\/(monoauth\.[a-z]+\.v\d+\.[A-Za-z]+\/[A-Za-z]+)$/;

/** The route of the management API that a path names; undefined for everything else. */
export function managementRoute(pathname: string): string | undefined {
  return rpcPath.exec(pathname)?.[1];
}
