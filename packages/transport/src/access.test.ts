import { create, createFileRegistry, type DescService, setExtension } from '@bufbuild/protobuf';
import {
  EmptySchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_descriptor,
  file_google_protobuf_empty,
  MethodOptionsSchema,
} from '@bufbuild/protobuf/wkt';
import { createClient, createRouterTransport, type ServiceImpl } from '@connectrpc/connect';
import type { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Caller } from '@mono-auth/core/principal';
import {
  AccessSchema,
  access,
  file_monoauth_access_v1_access,
  Scope,
} from '@mono-auth/proto/monoauth/access/v1/access';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { FakeRuntime } from '@mono-auth/testing';
import { expect, test } from 'vitest';
import { createAccessInterceptor } from './access.ts';
import { createRefusalInterceptor } from './connect-errors.ts';
import { createDeadlineInterceptor } from './deadline.ts';
import { accessOf, reasonOf } from './index.ts';

type Declared = { permission: string; scope: Scope } | undefined;

/** Methods as a careless contract might declare them; undefined is no option at all. */
const methods: Record<string, Declared> = {
  Bare: undefined,
  Empty: { permission: '', scope: Scope.UNSPECIFIED },
  WithoutScope: { permission: 'feed:follow', scope: Scope.UNSPECIFIED },
  WithoutPermission: { permission: '', scope: Scope.TENANT },
  UnknownPermission: { permission: 'feed:everything', scope: Scope.TENANT },
  InheritedPermission: { permission: 'constructor', scope: Scope.PLATFORM },
  PublicWithPermission: { permission: 'feed:follow', scope: Scope.PUBLIC },
  AuthenticatedWithPermission: { permission: 'feed:follow', scope: Scope.AUTHENTICATED },
  UnknownScope: { permission: 'feed:follow', scope: 99 as Scope },
};

function service(): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: 'planted.proto',
    package: 'planted',
    syntax: 'proto3',
    dependency: ['google/protobuf/empty.proto', 'monoauth/access/v1/access.proto'],
    service: [
      {
        name: 'PlantedService',
        method: Object.entries(methods).map(([name, declared]) => {
          const options = create(MethodOptionsSchema);
          if (declared) setExtension(options, access, create(AccessSchema, declared));
          return { name, inputType: '.google.protobuf.Empty', outputType: '.google.protobuf.Empty', options };
        }),
      },
    ],
  });
  const dependencies = [file_google_protobuf_descriptor, file_google_protobuf_empty, file_monoauth_access_v1_access];
  const set = create(FileDescriptorSetSchema, { file: [...dependencies.map(({ proto }) => proto), file] });
  return createFileRegistry(set).getService('planted.PlantedService') as DescService;
}

const planted = service();

test('a bare method has no declaration, although reading its option answers an empty one', () => {
  expect(accessOf(planted.method.bare as never)).toBeUndefined();
  expect(accessOf(FeedService.method.watch)).toMatchObject({ permission: 'feed:follow', scope: Scope.TENANT });
});

test.each(planted.methods.map((method) => [method.name, method.localName]))(
  'a method that declares its access incompletely is refused to everybody: %s',
  async (_, localName) => {
    let touched = false;
    const touch = () => {
      touched = true;
      return create(EmptySchema);
    };
    const handlers = Object.fromEntries(planted.methods.map((method) => [method.localName, touch]));
    const everything: Caller = { scope: { has: () => true } } as never;
    const transport = createRouterTransport(
      (router) => {
        router.service(planted, handlers as unknown as Partial<ServiceImpl<typeof planted>>);
      },
      {
        router: {
          interceptors: [
            createRefusalInterceptor(() => {}),
            createAccessInterceptor({
              authenticate: async () => everything,
              isPlatform: () => true,
              record: async () => {},
            }),
          ],
        },
      },
    );
    const client = createClient(planted, transport) as Record<string, (message: object) => Promise<unknown>>;
    const error = await client[localName]?.({}).catch((thrown: unknown) => thrown);
    expect(reasonOf(error as never)).toBe('denied');
    expect(touched).toBe(false);
  },
);

test('a unary call that outlives the deadline is ended; a stream is not', async () => {
  const refused: Refusal[] = [];
  const runtime = new FakeRuntime();
  const transport = createRouterTransport(
    (router) => {
      router.service(FeedService, {
        register: () => new Promise(() => {}),
        async *watch() {
          await new Promise((resolve) => setTimeout(resolve, 40));
          yield { head: { nonce: newId(runtime, 'evt') } };
        },
      });
    },
    {
      router: {
        interceptors: [createRefusalInterceptor((refusal) => refused.push(refusal)), createDeadlineInterceptor(20)],
      },
    },
  );
  const client = createClient(FeedService, transport);
  const error = await client.register({ name: 'one' }).catch((thrown: unknown) => thrown);
  expect(reasonOf(error as never)).toBe('deadline_exceeded');
  expect(refused.map(({ detail }) => detail)).toEqual(['no answer within 20 ms']);
  let messages = 0;
  for await (const _ of client.watch({ subscriberId: 'x' })) messages++;
  expect(messages).toBe(1);
});
