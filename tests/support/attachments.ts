import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { createAttachmentSeal } from '../../src/adapters/keyring/attachment-seal.ts'
import { checkMasterKey } from '../../src/adapters/keyring/master-key.ts'
import { createVault } from '../../src/adapters/keyring/vault.ts'
import type { AttachmentSeal } from '../../src/domain/kernel/attachments.ts'

/** For a database that has no master key yet. */
export async function newAttachmentSeal(pool: Pool): Promise<AttachmentSeal> {
  const masterKey = randomBytes(32)
  await checkMasterKey({ pool, masterKey })
  return createAttachmentSeal(createVault({ pool, masterKey }))
}
