import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createTimeHeap } from './time-heap.ts'

it('gives back what is due in the order of time, whatever was put in and taken out before', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(100), fc.constant('pop' as const))), (steps) => {
      const heap = createTimeHeap<number>()
      const model: number[] = []
      for (const step of steps) {
        if (step === 'pop') expect(heap.popDue(Infinity)).toBe(model.sort((a, b) => a - b).shift())
        else {
          heap.push(step, step)
          model.push(step)
        }
        expect(heap.nextAt()).toBe(model.length === 0 ? undefined : Math.min(...model))
      }
      expect(heap.popDue(-1)).toBeUndefined()
    }),
  )
})
