/** What is decided of seats, without running anything. */
import { describe, it } from 'node:test'
import { booking } from '../../examples/seats/booking.ts'
import { seats } from '../../examples/seats/cabin.ts'
import { SeatCommands, SeatEvents } from '../../examples/seats/contracts.ts'
import { decider } from '../../src/testing/decider.ts'

const decisions = decider(booking, SeatCommands, SeatEvents)
const flight = 'HW101'

describe('a flight', () => {
  it('books a seat that is free', () => {
    decisions.given().when(book('4C', 'Ada')).thenAccepted(booked('4C', 'Ada'))
    decisions.given(booked('4B', 'Ben')).when(book('4C', 'Ada')).thenAccepted(booked('4C', 'Ada'))
  })

  it('books no seat twice, not even for the same passenger', () => {
    const given = decisions.given(booked('4C', 'Ada'))
    given.when(book('4C', 'Ben')).thenRejected('seat-taken')
    given.when(book('4C', 'Ada')).thenRejected('seat-taken')
  })

  it('books the first free seat for whom any will do', () => {
    const given = decisions.given(booked('1A', 'Ada'), booked('1B', 'Ben'))
    given.when(book('', 'Cleo')).thenAccepted(booked('1C', 'Cleo'))
  })

  it('is full when all its seats are taken, and not before', () => {
    const all = seats.map((seat) => booked(seat, 'Ada'))
    decisions
      .given(...all)
      .when(book('', 'Ben'))
      .thenRejected('flight-full')
    decisions
      .given(...all)
      .when(book('4C', 'Ben'))
      .thenRejected('flight-full')
    const last = seats.at(-1)!
    decisions
      .given(...all.slice(0, -1))
      .when(book('', 'Ben'))
      .thenAccepted(booked(last, 'Ben'))
  })

  it('gives back what the passenger has booked, and lets others have it', () => {
    decisions.given(booked('4C', 'Ada')).when(cancel('4C', 'Ada')).thenAccepted(given('4C', 'Ada'))
    decisions
      .given(booked('4C', 'Ada'), given('4C', 'Ada'))
      .when(book('4C', 'Ben'))
      .thenAccepted(booked('4C', 'Ben'))
  })

  it('gives back nothing that is not the passenger’s', () => {
    decisions.given().when(cancel('4C', 'Ada')).thenRejected('not-booked')
    decisions.given(booked('4C', 'Ada')).when(cancel('4C', 'Ben')).thenRejected('not-booked')
    decisions
      .given(booked('4C', 'Ada'), given('4C', 'Ada'))
      .when(cancel('4C', 'Ada'))
      .thenRejected('not-booked')
  })

  it('has the seats it has, and is one of those there are', () => {
    decisions.given().when(book('9A', 'Ada')).thenRejected('no-such-seat')
    decisions.given().when(book('constructor', 'Ada')).thenRejected('no-such-seat')
    const elsewhere = { ...book('4C', 'Ada'), flight: 'HW999' }
    decisions.given().when(elsewhere).thenRejected('no-such-flight')
  })
})

function book(seat: string, passenger: string) {
  return { flight, command: { case: 'bookSeat', value: { seat, passenger } } } as const
}

function cancel(seat: string, passenger: string) {
  return { flight, command: { case: 'cancelBooking', value: { seat, passenger } } } as const
}

function booked(seat: string, passenger: string) {
  return { flight, event: { case: 'seatBooked', value: { seat, passenger } } } as const
}

function given(seat: string, passenger: string) {
  return { flight, event: { case: 'bookingCancelled', value: { seat, passenger } } } as const
}
