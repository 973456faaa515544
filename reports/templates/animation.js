// An animation plays its trajectories once when it comes into view, unless the reader prefers reduced motion, and on demand.
for (const animation of document.querySelectorAll(".animation")) {
  const { steps, choices, rates, trajectories } = JSON.parse(animation.dataset.animation);
  const find = (selector) => animation.querySelector(selector);
  const [controls, button, slider, output, select] = [".controls", ".play", "input", "output", "select"].map(find);
  const groups = [...animation.querySelectorAll(".trajectory")];
  const optimizers = [...animation.querySelectorAll(".optimizers button")];
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  const perStep = Math.min(450, 9000 / Math.max(steps, 1)); // milliseconds
  let time = steps;
  let begin = null; // when and at which time playing began; null while paused

  const show = () => {
    const step = Math.floor(time);
    groups.forEach((group, at) => {
      const label = choices[Number(select.value)][at];
      const [line, head] = group.children;
      const value = optimizers[at].querySelector(".value");
      optimizers[at].querySelector(".rate").textContent = label && rates[label] ? `η ${rates[label]}` : "";
      head.setAttribute("visibility", label ? "visible" : "hidden");
      if (!label) {
        line.setAttribute("points", "");
        value.textContent = Number(select.value) ? "–" : "diverges";
        return;
      }
      const { at: points, f: values, off: diverges } = trajectories[label];
      const last = points.length / 2 - 1;
      const complete = Math.min(step, last);
      const trail = points.slice(0, 2 * complete + 2);
      if (complete < last && time > complete) {
        for (const axis of [0, 1]) {
          const from = points[2 * complete + axis];
          trail.push(from + (time - complete) * (points[2 * complete + 2 + axis] - from));
        }
      }
      line.setAttribute("points", trail.join(" "));
      head.setAttribute("cx", trail[trail.length - 2]);
      head.setAttribute("cy", trail[trail.length - 1]);
      value.textContent = diverges && step >= last ? "diverges" : values[complete];
    });
    slider.value = step;
    output.textContent = `step ${step} of ${steps}`;
  };
  const pause = () => {
    begin = null;
    button.textContent = "Play";
  };
  const tick = (now) => {
    if (begin === null) return;
    time = Math.min(steps, begin.time + Math.max(0, now - begin.now) / perStep); // a frame may be older than the click
    if (time === steps) pause();
    show();
    requestAnimationFrame(tick);
  };
  const play = () => {
    begin = { now: performance.now(), time: time === steps ? 0 : time };
    button.textContent = "Pause";
    requestAnimationFrame(tick);
  };

  button.addEventListener("click", () => (begin === null ? play() : pause()));
  slider.addEventListener("input", () => {
    pause();
    time = Number(slider.value);
    show();
  });
  select.addEventListener("change", show);
  optimizers.forEach((optimizer, at) =>
    optimizer.addEventListener("click", () => {
      const visible = optimizer.getAttribute("aria-pressed") === "false";
      optimizer.setAttribute("aria-pressed", String(visible));
      groups[at].classList.toggle("off", !visible);
    }),
  );
  addEventListener("beforeprint", () => {
    pause();
    time = steps;
    show();
  });
  controls.hidden = false;
  if (!reducedMotion.matches) {
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) {
          observer.disconnect();
          play();
        }
      },
      { threshold: 0.5 },
    );
    observer.observe(find("svg"));
  }
}
