import type { Json } from "./json";

/** A whole number: a bigint where a number would lose digits. Seeds go up to 2^64 - 1. */
export type Integer = number | bigint;

/** The whole number in the form that a document holds: a number wherever that is exact. */
export function plainInteger(value: bigint): Integer {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The whole number that a text writes, or nothing. */
export function readInteger(text: string): Integer | undefined {
  return /^\s*-?\d{1,40}\s*$/.test(text) ? plainInteger(BigInt(text.trim())) : undefined;
}

export function addInteger(value: Integer, by: number): Integer {
  if (typeof value === "number" && Number.isSafeInteger(value + by)) return value + by;
  return plainInteger(big(value) + big(by));
}

/** The value within the bounds. A bound beyond 2^53 was rounded up from 2^k - 1, as the largest of k bits. */
export function clampInteger(value: Integer, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Integer {
  const exact = big(value);
  if (high !== Number.POSITIVE_INFINITY && exact > topOf(high)) return plainInteger(topOf(high));
  if (low !== Number.NEGATIVE_INFINITY && exact < big(low)) return plainInteger(big(low));
  return plainInteger(exact);
}

function topOf(high: number): bigint {
  return Number.isSafeInteger(high) ? BigInt(high) : BigInt(Math.round(high)) - 1n;
}

function big(value: Integer): bigint {
  if (typeof value === "bigint") return value;
  return Number.isFinite(value) ? BigInt(Math.round(value)) : 0n;
}

/** A widget's value as something to reckon with; what is no number is 0. */
export function numeric(value: Json | undefined): Integer {
  if (typeof value === "bigint") return value;
  const number = Number(value ?? 0);
  return Number.isFinite(number) ? number : 0;
}
