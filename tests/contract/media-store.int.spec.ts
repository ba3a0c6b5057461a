import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createFileStore } from '../../src/adapters/media-store/file.ts'
import { createS3Store } from '../../src/adapters/media-store/s3.ts'
import { startS3Double } from '../support/s3-double.ts'
import { mediaStoreContract } from './media-store.contract.ts'

const account = { bucket: 'recado', region: 'eu-test-1', accessKeyId: 'AKIATEST', secretAccessKey: 'secret/with+signs=' }

mediaStoreContract('a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'recado-media-'))
  return {
    store: createFileStore(join(directory, 'media')),
    async close() {
      const left = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.draft'))
      await rm(directory, { recursive: true })
      expect(left).toEqual([])
    },
  }
})

mediaStoreContract('an S3-compatible service', async () => {
  const double = await startS3Double(account)
  return { store: createS3Store({ endpoint: double.endpoint, ...account }), close: double.close }
})

it('says at the start that a bucket cannot be used', async () => {
  const double = await startS3Double(account)
  const wrongKey = createS3Store({ endpoint: double.endpoint, ...account, secretAccessKey: 'another' })
  await expect(wrongKey.check()).rejects.toThrow('The bucket "recado" cannot be used (HTTP 403)')
  await wrongKey.close()
  await double.close()
})
