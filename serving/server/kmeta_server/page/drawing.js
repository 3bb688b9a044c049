/** A field to draw in, by mouse, pen or finger, or by keys. */

const PEN = 1 / 14; // of the field's side
const STEP = 1 / 28; // by which an arrow key moves the pen, of the field's side
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Drawing {
  /** `mark` is an element that shows where the pen is; `say` says what it does. */
  constructor(canvas, mark, say) {
    this.canvas = canvas;
    this.mark = mark;
    this.say = say;
    this.pen = canvas.getContext("2d");
    this.clear(true);
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.last = this.#place(event);
      this.#line(this.last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons && this.last) this.#line(this.#place(event));
    });
    canvas.addEventListener("pointerup", () => { this.last = null; });
  }

  /** An empty field, dark strokes on light or the other way round. */
  clear(isLight) {
    const { width, height } = this.canvas;
    this.pen.fillStyle = isLight ? "#fff" : "#000";
    this.pen.fillRect(0, 0, width, height);
    this.pen.strokeStyle = isLight ? "#000" : "#fff";
    this.pen.lineWidth = width * PEN;
    this.pen.lineCap = this.pen.lineJoin = "round";
    this.last = null;
    this.at = [width / 2, height / 2]; // of the pen that keys move
    this.#lift(true);
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " ") {
      this.#lift(!this.isUp);
      if (!this.isUp) this.#line(this.last = this.at);
      this.say(this.isUp ? "Pen up." : "Pen down: arrow keys draw.");
    } else if (event.key in KEYS) this.#move(KEYS[event.key], event.shiftKey ? 4 : 1);
    else return;
    event.preventDefault();
  }

  #move(by, steps) {
    const { width, height } = this.canvas;
    const to = [width, height].map((side, axis) => (
      Math.min(side, Math.max(0, this.at[axis] + steps * by[axis] * side * STEP))));
    if (!this.isUp) {
      this.last = this.at;
      this.#line(to);
    }
    this.at = to;
    this.#lift(this.isUp);
  }

  /** Raise or lower the pen that keys move, and show where it is. */
  #lift(isUp) {
    this.isUp = isUp;
    this.mark.classList.toggle("down", !isUp);
    this.mark.style.left = `${(100 * this.at[0]) / this.canvas.width}%`;
    this.mark.style.top = `${(100 * this.at[1]) / this.canvas.height}%`;
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) * this.canvas.width / box.width,
      (event.clientY - box.top) * this.canvas.height / box.height,
    ];
  }

  #line(to) {
    this.pen.beginPath();
    this.pen.moveTo(...this.last);
    this.pen.lineTo(...to);
    this.pen.stroke();
    this.last = to;
  }

  /** The drawing as a file. */
  async file(name) {
    const blob = await new Promise((done) => this.canvas.toBlob(done));
    return new File([blob], name, { type: "image/png" });
  }
}
