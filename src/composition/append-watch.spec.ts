import { expect, it } from 'vitest'
import { createAppendWatch } from './append-watch.ts'

const full = Object.assign(new Error('could not extend file'), { code: '53100' })

function watch() {
  const clock = { ms: 0 }
  return { ...createAppendWatch(() => clock.ms), clock }
}

it('a process is content until an append is given up, and again when the next one goes through', async () => {
  const { check, onGivenUp, onBatch } = watch()
  expect(await check()).toBeUndefined()
  onGivenUp(full)
  expect(await check()).toBe('the disk of the database is full')
  onGivenUp(new Error('timeout exceeded'))
  expect(await check()).toBe('the last append was refused')
  onBatch()
  expect(await check()).toBeUndefined()
})

it('a process that nobody sends anything to any more lets itself be tried again', async () => {
  const { check, onGivenUp, clock } = watch()
  onGivenUp(full)
  clock.ms = 9_999
  expect(await check()).toBeDefined()
  clock.ms = 10_000
  expect(await check()).toBeUndefined()
})
