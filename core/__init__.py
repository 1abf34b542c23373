"""litegpu: a drop-in for `tf.lite.Interpreter` that runs TensorFlow Lite models on GPU workstations."""
