import { array, assert, property, string } from 'fast-check'
import { v5 } from 'uuid'
import { describe, expect, it } from 'vitest'
import { derivedId, eventId } from './ids.ts'
import { streamRef } from './stream.ts'

describe('derived ids', () => {
  it('are uuids of version 5 as the world makes them', () => {
    assert(
      property(array(string({ unit: 'grapheme' })), (parts) => {
        expect(derivedId(...parts)).toBe(v5(parts.join('\u001f'), '6f1c1f0e-6f0b-5c53-9d3c-6a1e4b6f7a10'))
      }),
    )
  })
  it('never change: stored events are known by them', () => {
    const stream = streamRef('conversation', '0197c0de-0000-7000-8000-000000000001', 'c')
    expect(eventId('command', stream, 0)).toBe('98df7f5e-706d-5282-a267-7b642574af56')
  })
})
