import { describe, expect, it } from 'vitest'
import { glassVault } from '../../../tests/support/glass-vault.ts'
import type { ChannelEntry } from '../directory/directory.ts'
import { createWebhookAddressOf } from './webhooks.ts'

const entry: ChannelEntry = { tenantId: 't', channelId: 'c', name: 'Sales', phoneNumberId: '1', wabaId: '2', status: 'connected', hook: 'abc' }
const addressOf = (publicUrl: string, more: Partial<ChannelEntry> = {}) =>
  createWebhookAddressOf({ directory: { channelOf: () => ({ ...entry, ...more }) }, vault: glassVault, publicUrl })('t', 'c')

describe('the webhook address that Meta is told', () => {
  it('is the hook of a channel with an app of its own', async () => {
    expect(await addressOf('https://recado.example.com/')).toEqual({
      url: 'https://recado.example.com/webhooks/meta/abc',
      verifyToken: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
  })
  it('is none where the app of the installation has one already', async () => {
    expect(await addressOf('https://recado.example.com', { hook: undefined })).toBeUndefined()
  })
  it.each([
    'http://recado.example.com',
    'http://localhost:8080',
    'https://localhost',
    'https://192.168.1.7',
    'https://10.0.0.1',
    'https://172.20.1.1',
    'https://recado.internal',
    'https://recado',
    'https://[::1]',
    `https://recado.example.com/${'x'.repeat(200)}`,
    'nonsense',
  ])('is none for %s, which Meta cannot reach or does not take', async (publicUrl) => {
    expect(await addressOf(publicUrl)).toBeUndefined()
  })
})
