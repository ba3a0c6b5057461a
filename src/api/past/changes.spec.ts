import { describe, expect, it } from 'vitest'
import { changesBetween } from './changes.ts'

describe('what changed between two states of a resource', () => {
  it('is the fields that differ, with both values, and no other', () => {
    expect(changesBetween({ id: '1', status: 'open', labels: ['a'] }, { id: '1', status: 'resolved', labels: ['a'] })).toEqual([
      { field: 'status', before: 'open', after: 'resolved' },
    ])
  })

  it('goes into objects and takes lists as a whole', () => {
    const before = { last: { status: 'sent', id: 'm' }, tags: ['a', 'b'] }
    expect(changesBetween(before, { last: { status: 'read', id: 'm' }, tags: ['b', 'a'] })).toEqual([
      { field: 'last.status', before: 'sent', after: 'read' },
      { field: 'tags', before: ['a', 'b'], after: ['b', 'a'] },
    ])
  })

  it('leaves out the side on which a field is not there, which is not the same as null', () => {
    expect(changesBetween({ gone: 1 }, { come: null })).toEqual([
      { field: 'gone', before: 1 },
      { field: 'come', after: null },
    ])
    expect(changesBetween(undefined, { id: '1', no: undefined })).toEqual([{ field: 'id', after: '1' }])
    expect(changesBetween({ id: '1' }, undefined)).toEqual([{ field: 'id', before: '1' }])
    expect(changesBetween(undefined, undefined)).toEqual([])
  })
})
