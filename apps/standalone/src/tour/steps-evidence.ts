import type { Client } from '@connectrpc/connect';
import { concatBytes } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { bundle, checkpoint, merkle, note } from '@mono-auth/log-engine';
import { AuditService, type ListedEvent } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { hold, need, type Step } from './scene.ts';

/** Evidence is sealed at most a second after it was written; longer than this is a fault. */
const sealedMsMax = 5_000;
const pollMs = 100;

export const evidenceSteps: readonly Step[] = [
  {
    title: 'The audit log holds what happened, sealed, with a proof for each event',
    async tell(scene) {
      const audit = await need(scene, 'owner').rpc(AuditService);
      const exchanged = await sealedEvent(audit, 'token.exchanged');
      const revoked = await sealedEvent(audit, 'revocation.created');
      const { vkey, size } = await audit.getCheckpoint({});
      const trusted = note.parseVerifierKey(vkey);
      for (const { event } of [exchanged, revoked]) {
        const { entry, leafIndex, proof, note: signed } = await audit.proveInclusion({ eventId: event?.id ?? '' });
        const tree = checkpoint.parseCheckpoint(note.verifyNote(signed, [trusted]).note.text);
        const claim = {
          leafHash: merkle.leafHash(entry),
          index: Number(leafIndex),
          size: tree.size,
          proof,
          root: tree.root,
        };
        hold(merkle.verifyInclusion(claim), `${event?.type} is in the signed tree`);
      }
      scene.made.vkey = vkey;
      return [
        `checkpoint of ${size} entries, signed by ${vkey.split('+', 1)[0]}`,
        `token.exchanged is leaf ${exchanged.leafIndex}, revocation.created is leaf ${revoked.leafIndex}; both proofs verify`,
      ];
    },
  },
  {
    title: 'The exported bundle verifies offline; one flipped bit does not',
    async tell(scene) {
      const audit = await need(scene, 'owner').rpc(AuditService);
      const chunks: Uint8Array[] = [];
      for await (const { chunk } of audit.exportBundle({})) chunks.push(chunk);
      const bytes = concatBytes(...chunks);
      const vkeys = [note.parseVerifierKey(need(scene, 'vkey'))];
      const report = bundle.verifyBundle(bytes, { vkeys });
      hold(report.verified, `the bundle verifies (${report.verified ? '' : report.detail})`);
      const flipped = Uint8Array.from(bytes);
      const middle = flipped.length >> 1;
      flipped[middle] = (flipped[middle] as number) ^ 1;
      const bad = bundle.verifyBundle(flipped, { vkeys });
      hold(!bad.verified, 'a bundle with one flipped bit is refused');
      const entries = report.verified ? report.to - report.from : 0;
      return [
        `${entries} entries, ${bytes.length} bytes, verified with the key alone`,
        `flipped: ${bad.verified ? '' : `${bad.fault}, ${bad.detail}`}`,
      ];
    },
  },
];

async function sealedEvent(audit: Client<typeof AuditService>, type: string): Promise<ListedEvent> {
  const until = systemRuntime.monotonicMs() + sealedMsMax;
  for (;;) {
    const { events } = await audit.listEvents({ type, pageSize: 1 });
    const [event] = events;
    if (event && event.leafIndex >= 0n) return event;
    hold(systemRuntime.monotonicMs() < until, `${type} is recorded and sealed within ${sealedMsMax} ms`);
    await systemRuntime.sleep(pollMs);
  }
}
