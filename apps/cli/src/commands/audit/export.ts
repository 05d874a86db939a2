import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import type { CliContext } from '../../context.ts';
import { fillNewFile } from '../../new-file.ts';
import { type OutputFlags, print, say } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface ExportFlags extends OutputFlags {
  readonly out: string;
}

/** Writes the sealed log as a bundle, and names the key that it can be verified with. */
export default async function exportAudit(this: CliContext, flags: ExportFlags): Promise<void> {
  const { bytes, vkey } = await fillNewFile(flags.out, (file) =>
    withClient(this, AuditService, async (client) => {
      let written = 0;
      for await (const { chunk } of client.exportBundle({}, { timeoutMs: 0 })) {
        await file.writeFile(chunk);
        written += chunk.length;
      }
      return { bytes: written, vkey: (await client.getCheckpoint({})).vkey };
    }),
  );
  say(this, 'pin the key from elsewhere: a bundle cannot vouch for itself');
  print(this, flags, { bundle: flags.out, bytes, vkey }, [`${flags.out}  ${bytes} bytes`, vkey]);
}
