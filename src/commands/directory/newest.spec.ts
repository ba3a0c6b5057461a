import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { positionOf } from '../../domain/kernel/position.ts'
import { createNewest } from './newest.ts'

const head = async () => ({ position: positionOf(7), version: 0 }) as never

it('waits until the directory knows what the log holds', async () => {
  const asked: string[] = []
  const newest = createNewest({ store: { head }, directory: { waitFor: async (position) => void asked.push(position) } })
  await newest()
  expect(asked).toEqual([positionOf(7)])
})

it('shares looks, and never one that was begun before it was asked', async () => {
  let looks = 0
  const gate = Promise.withResolvers<void>()
  const newest = createNewest({
    store: {
      head: () => {
        looks++
        return head()
      },
    },
    directory: { waitFor: async () => gate.promise },
  })
  const all = [newest(), newest(), newest(), newest()]
  gate.resolve()
  await Promise.all(all)
  expect(looks).toBe(2)
})

it('gives up on a log that is away, and on a directory that does not get there', async () => {
  const away = createNewest({ store: { head: () => Promise.reject(new Error('away')) }, directory: { waitFor: () => Promise.resolve() } })
  await away()
  const slow = createNewest({ store: { head }, directory: { waitFor: () => new Promise<void>(() => undefined) } })
  await Promise.race([slow(), sleep(20_000).then(() => expect.unreachable('it waits for ever'))])
})
