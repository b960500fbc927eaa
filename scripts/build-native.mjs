console.log('native engine: not built yet')
