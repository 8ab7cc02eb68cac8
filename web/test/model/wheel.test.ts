import { describe, expect, it } from "vitest";
import { isTrackpad } from "../../src/model/wheel";

const turn = (deltaX: number, deltaY: number, more = {}) => ({
  ...{ deltaX, deltaY, deltaMode: 0, ctrlKey: false, shiftKey: false },
  ...more,
});

describe("what turns", () => {
  it("is a trackpad where it goes two ways at once, and stays one", () => {
    expect(isTrackpad(turn(3, -7), false)).toBe(true);
    expect(isTrackpad(turn(0, -7), true)).toBe(true);
    expect(isTrackpad(turn(0, -7), false)).toBe(false);
  });
  it("is a wheel where it goes by notches or by lines", () => {
    expect(isTrackpad(turn(0, 120), true)).toBe(false);
    expect(isTrackpad(turn(0, -100), true)).toBe(false);
    expect(isTrackpad(turn(0, 3, { deltaMode: 1 }), true)).toBe(false);
    expect(isTrackpad(turn(0, 137), true)).toBe(true);
  });
  it("is a wheel in Firefox, which calls lines what was not taken for pixels before", () => {
    let asPixels = false;
    const firefox = {
      ...turn(0, 0),
      get deltaX() {
        asPixels = true;
        return 0;
      },
      get deltaY() {
        asPixels = true;
        return 48;
      },
      get deltaMode() {
        return asPixels ? 0 : 1;
      },
    };
    expect(isTrackpad(firefox, true)).toBe(false);
  });
  it("is not told by a pinch, or by a wheel that Shift turns aside", () => {
    expect(isTrackpad(turn(2, 120, { ctrlKey: true }), false)).toBe(false);
    expect(isTrackpad(turn(120, 1, { shiftKey: true }), false)).toBe(false);
    expect(isTrackpad(turn(0, 120, { ctrlKey: true }), true)).toBe(true);
  });
});
