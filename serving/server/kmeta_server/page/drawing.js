/** A field to draw in. */

const PEN = 1 / 14; // of the field's side

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.clear(true);
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
